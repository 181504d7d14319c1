import Foundation
import Home
import Testing

@Suite("A home folder")
struct HomeFolderTests {
    private let temporary: TemporaryFolder
    private let configuration: NodeConfiguration

    init() throws {
        temporary = try TemporaryFolder()
        configuration = try NodeConfigurationTests.parsed()
    }

    private func finishedHome() throws -> HomeFolder {
        let home = try HomeFolder.create(temporary("home"))
        try home.write(configuration)
        return home
    }

    @Test("is one again when the last file of a backup is back: keys before node.yaml, and mirror.key after the others")
    func restoringOrder() {
        let names = [
            "certs/tls.pem", "keys/a.key", "keys/mirror.key", "keys/z.key", "node.yaml", "peers/kr.example.yaml",
        ]
        for given in [names, names.reversed()] {
            let order = HomeFolder.restoringOrder(given)
            #expect(order.sorted() == names && order.suffix(2) == ["keys/mirror.key", "node.yaml"])
        }
    }

    @Test("is 0700 and its files 0600, whatever the folder was before")
    func permissions() throws {
        try FileManager.default.createDirectory(atPath: temporary("home"), withIntermediateDirectories: false)
        chmod(temporary("home"), 0o777)
        let home = try finishedHome()
        for folder in [
            home.path, home.peersFolder, home.certificatesFolder, home.keysFolder, home.quarantineFolder,
            home.evidenceFolder,
        ] {
            #expect(Disk.mode(folder) == 0o700, "\(folder)")
        }
        #expect(Disk.mode(home.configurationFile) == 0o600)
        #expect(home.nodeDatabase == home.path + "/node.sqlite")
        #expect(home.socket == home.path + "/node.sock")
    }

    @Test("comes back with what was written")
    func reopened() throws {
        let home = try finishedHome()
        let again = try HomeFolder.open(temporary("home/"))
        #expect(again == home)
        #expect(try again.configuration() == configuration)
    }

    @Test("is never made over another, nor in a folder that is used")
    func existing() throws {
        _ = try finishedHome()
        let error = try #require(throws: HomeError.self) { try HomeFolder.create(temporary("home")) }
        #expect(error.category == .exists)
        #expect(error.message.contains("is a home already"))

        try FileManager.default.createDirectory(atPath: temporary("used"), withIntermediateDirectories: false)
        try Disk.write("mine", temporary("used/letter.txt"))
        #expect(try #require(throws: HomeError.self) { try HomeFolder.create(temporary("used")) }.category == .exists)
        try Disk.write("mine", temporary("file"))
        #expect(try #require(throws: HomeError.self) { try HomeFolder.create(temporary("file")) }.category == .exists)
        #expect(try Disk.text(temporary("used/letter.txt")) == "mine")
    }

    @Test("can be made where an earlier attempt stopped before anything was in it")
    func interrupted() throws {
        _ = try HomeFolder.create(temporary("home"))
        let home = try HomeFolder.create(temporary("home"))
        let unfinished = try #require(throws: HomeError.self) { try HomeFolder.open(home.path) }
        #expect(unfinished.category == .noInput)
        #expect(unfinished.message.contains("no finished home"))
        try Disk.write("x", home.keysFolder + "/mirror.key")
        #expect(throws: HomeError.self) { try HomeFolder.create(temporary("home")) }
    }

    @Test("that is absent says so, as does a parent that is")
    func absent() throws {
        #expect(try #require(throws: HomeError.self) { try HomeFolder.open(temporary("none")) }.category == .noInput)
        #expect(try #require(throws: HomeError.self) { try HomeFolder.create(temporary("a/b")) }.category == .noInput)
        let long = temporary(String(repeating: "x", count: 100))
        #expect(try #require(throws: HomeError.self) { try HomeFolder.create(long) }.category == .usage)
    }

    @Test("open to others is refused, with the command that mends it")
    func wideHome() throws {
        let home = try finishedHome()
        chmod(home.path, 0o750)
        let error = try #require(throws: HomeError.self) { try HomeFolder.open(home.path) }
        #expect(error.category == .notPermitted)
        #expect(error.message == "is open to other users (mode 0750); run: chmod 700 \(home.path)")
    }

    @Test("with a key open to others is refused, with the command that mends it")
    func wideKey() throws {
        let home = try finishedHome()
        _ = try Keystore(home, node: "us.example").createMirrorKey()
        let path = home.keysFolder + "/mirror.key"
        chmod(path, 0o640)
        let error = try #require(throws: HomeError.self) { try HomeFolder.open(home.path) }
        #expect(error.description == "\(path): is open to other users (mode 0640); run: chmod 600 \(path)")
        chmod(path, 0o600)
        _ = try HomeFolder.open(home.path)
    }

    @Test("that belongs to another user is refused", .enabled(if: geteuid() == 0, "only root can give files away"))
    func foreign() throws {
        let home = try finishedHome()
        chown(home.path, 12_345, 12_345)
        let error = try #require(throws: HomeError.self) { try HomeFolder.open(home.path) }
        #expect(error.category == .notPermitted)
        #expect(error.message.contains("belongs to user 12345"))
    }

    @Test("with a node.yaml that cannot be right keeps the old one")
    func invalidWrite() throws {
        let home = try finishedHome()
        #expect(throws: HomeError.self) {
            try home.updateConfiguration { $0.communities.append(CommunityConfiguration(name: "NO", members: [])) }
        }
        #expect(try home.configuration() == configuration)
    }

    @Test("with a node.yaml that others can write is refused; one they can only read is not")
    func wideConfiguration() throws {
        let home = try finishedHome()
        chmod(home.configurationFile, 0o644)
        #expect(try home.configuration() == configuration)
        chmod(home.configurationFile, 0o664)
        let error = try #require(throws: HomeError.self) { try home.configuration() }
        #expect(error.message.hasSuffix("run: chmod 600 \(home.configurationFile)"))
    }

    @Test("never takes a node.yaml too long to be read again")
    func tooManyMembers() throws {
        let home = try finishedHome()
        let members = ["us.example"] + (1..<1_024).map { "n\($0).example" }
        #expect(throws: HomeError.self) {
            try home.updateConfiguration { changed in
                changed.communities = (0..<40).map { CommunityConfiguration(name: "c\($0)", members: members) }
            }
        }
        #expect(try home.configuration() == configuration)
    }

    @Test("takes changes from several commands at once without losing one")
    func concurrentChanges() async throws {
        let home = try finishedHome()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask { try home.updateConfiguration { try $0.admit("n\(number).example", to: ["krus"]) } }
            }
            try await group.waitForAll()
        }
        #expect(try home.configuration().community("krus")?.members.count == 10)
    }

    @Test("is found by the environment, then in the user's own folder")
    func defaultPath() throws {
        #expect(try HomeFolder.defaultPath { ["ENTENTE_HOME": "/a/b", "HOME": "/root"][$0] } == "/a/b")
        #expect(try HomeFolder.defaultPath { ["ENTENTE_HOME": "", "HOME": "/root"][$0] } == "/root/.entente")
        #expect(try HomeFolder.defaultPath { ["ENTENTE_HOME": "x"][$0] }.hasSuffix("/x"))
        #expect(throws: HomeError.self) { try HomeFolder.defaultPath { _ in nil } }
    }

    @Test("is refused on network file systems")
    func networkFileSystems() {
        for type in ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.s3fs", "fuse"] {
            #expect(FileSystemKind.isRefused(type), "\(type)")
        }
        for type in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", "fuse.fuse-overlayfs"] {
            #expect(!FileSystemKind.isRefused(type), "\(type)")
        }
    }

    @Test("is looked up in the mount table by the longest mount point above it")
    func mountTable() {
        let table = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            23 22 0:50 / /srv/case\\040files rw - nfs4 server:/x rw
            24 22 0:51 / /srv/case\\040files/local rw master:1 - xfs /dev/sdb rw
            25 22 0:52 / /home rw - ext4 /dev/sdc rw
            26 22 0:53 / /home rw - fuse.sshfs host: rw
            nonsense
            """
        let expected = [
            "/": "ext4", "/srv/case": "ext4", "/srv/case files": "nfs4", "/srv/case files/a/b": "nfs4",
            "/srv/case files/local/a": "xfs", "/home/us": "fuse.sshfs", "/homeless": "ext4",
        ]
        for (path, type) in expected {
            #expect(FileSystemKind.type(of: path, in: table) == type, "\(path)")
        }
        #expect(FileSystemKind.type(of: "/", in: "") == nil)
    }
}

@Suite("The lock of a running node")
struct RunLockTests {
    @Test("is had once, says who has it, and is free again when let go")
    func once() throws {
        let temporary = try TemporaryFolder()
        let home = try HomeFolder.create(temporary("home"))
        var lock: RunLock? = try RunLock(home)
        let error = try #require(throws: HomeError.self) { try RunLock(home) }
        #expect(error.category == .busy)
        #expect(error.message.contains("process \(getpid()) since 20"), "\(error)")
        #expect(Disk.mode(home.lockFile) == 0o600)
        withExtendedLifetime(lock) {}
        lock = nil
        _ = try RunLock(home)
    }

    @Test("does not follow a link to another file")
    func link() throws {
        let temporary = try TemporaryFolder()
        let home = try HomeFolder.create(temporary("home"))
        try Disk.write("precious", temporary("precious"))
        try FileManager.default.createSymbolicLink(atPath: home.lockFile, withDestinationPath: temporary("precious"))
        #expect(throws: HomeError.self) { try RunLock(home) }
        #expect(try Disk.text(temporary("precious")) == "precious")
    }
}

@Suite("A file written in one step")
struct StagedFileTests {
    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder()
    }

    @Test("is the old one until it is replaced, even if the program dies between")
    func crash() throws {
        let path = temporary("node.yaml")
        try AtomicFile.write(Array("old".utf8), to: path)
        try Array("new".utf8).withUnsafeBytes { try StagedFile($0, for: path).abandon() }
        #expect(try Disk.text(path) == "old")
        #expect(try Disk.names(temporary.path).count == 2, "the unfinished file is left behind, as after a crash")
        try AtomicFile.write(Array("newer".utf8), to: path)
        #expect(try Disk.text(path) == "newer")
    }

    @Test("leaves nothing behind when it is given up")
    func givenUp() throws {
        try Array("new".utf8).withUnsafeBytes { _ = try StagedFile($0, for: temporary("a")) }
        #expect(try Disk.names(temporary.path).isEmpty)
    }

    @Test("has its mode whatever the umask, and whatever the old one had")
    func mode() throws {
        let path = temporary("a")
        try Disk.write("old", path, mode: 0o666)
        try AtomicFile.write([1], to: path)
        #expect(Disk.mode(path) == 0o600)
        try AtomicFile.create([1], at: temporary("b"), mode: 0o666)
        #expect(Disk.mode(temporary("b")) == 0o666)
    }

    @Test("is not created over another")
    func created() throws {
        try AtomicFile.create([65], at: temporary("a"))
        let error = try #require(throws: HomeError.self) { try AtomicFile.create([66], at: temporary("a")) }
        #expect(error.category == .exists)
        #expect(try Disk.text(temporary("a")) == "A")
        #expect(try Disk.names(temporary.path) == ["a"])
    }

    @Test("says which folder is missing")
    func missing() throws {
        let error = try #require(throws: HomeError.self) { try AtomicFile.write([1], to: temporary("no/a")) }
        #expect(error.category == .noInput)
        #expect(error.message.contains("No such file or directory"))
    }
}
