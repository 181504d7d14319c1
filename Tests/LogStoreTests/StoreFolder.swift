import Cryptography
import Glibc
import LogStore
import Records
import Testing
import TransparencyLog

/// A folder with the databases of one node, deleted with the value.
final class StoreFolder: Sendable {
    let path: String
    let node: String

    init(node: String = "us.example") throws {
        self.node = node
        path = "/tmp/log-store-tests-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        try #require(mkdir(path, 0o700) == 0)
    }

    deinit {
        for name in StoreFolder.names(in: path) { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var database: String { "\(path)/node.sqlite" }
    var marks: String { "\(path)/signed.sqlite" }
    var index: String { "\(path)/index.sqlite" }

    func open(busySeconds: Double = 20) throws -> SQLiteLogStore {
        try SQLiteLogStore(path: database, signedPath: marks, node: node, busySeconds: busySeconds)
    }

    /// Copies files of the folder as they are at this moment, byte by byte.
    func copy(_ files: [String], to other: StoreFolder) {
        for name in files {
            guard let bytes = StoreFolder.bytes(of: "\(path)/\(name)") else {
                unlink("\(other.path)/\(name)")
                continue
            }
            StoreFolder.write(bytes, to: "\(other.path)/\(name)")
        }
    }

    static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    static func bytes(of path: String) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
    }

    /// The same of a database that is in use, read by another process: closing a descriptor of it in this one would
    /// drop SQLite's locks.
    static func bytesThroughCopy(of path: String) -> [UInt8]? {
        let copy = "/tmp/log-store-tests-copy-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(copy) }
        var child: pid_t = 0
        let arguments = ["cp", "--", path, copy]
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        guard posix_spawn(&child, "/bin/cp", nil, nil, &pointers, nil) == 0 else { return nil }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return bytes(of: copy)
    }

    static func write(_ bytes: [UInt8], to path: String) {
        let descriptor = Glibc.open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        close(descriptor)
    }

    static func mode(of path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : nil
    }
}

let origin = "us.example/krus"
let logID = SHA256.hash(origin)

/// What signs in these tests: a text that says what was signed.
func sign(_ size: UInt64, _ root: SHA256Digest) -> String { "\(origin)\n\(size)\n\(root.hex)\n" }

var plainOptions: AppendOptions { AppendOptions(sign: sign) }

extension SQLiteLogStore {
    @discardableResult
    func createOwn(_ origin: String = origin) throws -> StoredLog {
        try createLog(origin: origin, node: "us.example", community: "krus", isOwn: true, verifierKey: "key")
    }

    @discardableResult
    func createReplica(_ origin: String = origin) throws -> StoredLog {
        try createLog(origin: origin, node: "us.example", community: "krus", isOwn: false, verifierKey: "key")
    }

    @discardableResult
    func append(_ bodies: [[UInt8]], to log: String = origin) throws -> SignedHead {
        try append(bodies.map { NewEntry(body: $0) }, to: log, options: plainOptions).head
    }

    func nodes(of log: SHA256Digest = logID) -> StoredNodes { StoredNodes(store: self, log: log) }
}

/// The tree of a log as its store answers for it.
struct StoredNodes: NodeSource {
    let store: SQLiteLogStore
    let log: SHA256Digest

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        try store.hashes(of: log, at: coordinates)
    }
}

/// Bodies that differ in content and length and are the same in every run.
func makeBodies(_ range: Range<Int>, seed: String = "a") -> [[UInt8]] {
    range.map { index in
        [UInt8]("\(seed) \(index) \(String(repeating: "x", count: index * 7 % 61))".utf8)
    }
}

/// Checks everything that must hold of a stored log, whatever happened to it before.
func checkInvariants(_ store: SQLiteLogStore, of id: SHA256Digest = logID, bodies expected: [[UInt8]]? = nil) throws {
    let hasher = MerkleHasher()
    let log = try #require(try store.logs().first { $0.id == id })
    var bodies: [[UInt8]] = []
    for bundle in try store.bundles(of: id, entries: 0..<max(1, log.size)) {
        #expect(bundle.number == UInt64(bodies.count / 256))
        let raw = try store.raw(bundle)
        let ranges = try EntryBundle.bodies(in: raw, maximumBody: 16_384)
        #expect(ranges.count == bundle.entries)
        bodies += ranges.map { Array(raw[$0]) }
    }
    #expect(UInt64(bodies.count) == log.size)
    if let expected { #expect(bodies == expected) }
    // Every tile, byte for byte, as computed from nothing but the entries.
    var edge = TreeEdge()
    let full = edge.append(leafHashes: bodies.map { hasher.leaf($0) }, hasher: hasher)
    let tiles = full + edge.tilesAtEdge
    for level in 0..<TreeEdge.levelCount {
        let stored = try store.tiles(of: id, level: level, numbers: 0..<UInt64(Int64.max))
        let computed = tiles.filter { $0.coordinate.level == level }
        #expect(
            stored == Dictionary(uniqueKeysWithValues: computed.map { ($0.coordinate.number, $0.data) }),
            "tiles of level \(level) at size \(log.size)")
    }
    let counts = try store.rowCounts(of: id)
    #expect(counts.tiles == tiles.count)
    #expect(counts.bundles == (bodies.count + 255) / 256)
    // Checkpoints: ascending, one a size, each the root of its prefix, none beyond the entries.
    let heads = try store.checkpoints(of: id)
    #expect(heads.map(\.size) == Set(heads.map(\.size)).sorted())
    #expect(heads.allSatisfy { $0.size <= log.size })
    #expect(heads.last == log.head)
    if log.isOwn { #expect((log.head?.size ?? 0) == log.size) }
    if let newest = heads.last {
        for old in heads.suffix(50) {
            let proof = try ConsistencyProof.make(
                from: old.size, to: newest.size, from: store.nodes(of: id), hasher: hasher)
            try proof.verify(
                oldSize: old.size, oldRoot: old.root, newSize: newest.size, newRoot: newest.root, hasher: hasher)
            var prefix = TreeEdge()
            _ = prefix.append(leafHashes: bodies.prefix(Int(old.size)).map { hasher.leaf($0) }, hasher: hasher)
            #expect(prefix.root(hasher: hasher) == old.root)
        }
        if log.isOwn {
            let mark = try #require(try store.signedMark(of: id))
            #expect(mark.size == newest.size && mark.root == newest.root)
        }
    }
}
