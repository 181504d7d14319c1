import Glibc
import Home
import TransparencyLog

/// The folder of one log that is published as files: written so that whoever reads it at any moment, and whatever a
/// crash leaves, finds a checkpoint whose files are all there.
///
/// - Files are written beside their place, made durable, and renamed; then their folders are made durable.
/// - Only then is the checkpoint that covers them put in its place in the same way.
/// - Only after that do partial tiles go that no longer stand at the edge.
///
/// A crash before the checkpoint leaves files that it does not cover: the next export finds them, or writes over them.
/// One writer at a time: it holds a lock on the folder.
final class TileFolder {
    let path: String
    private let lock: Int32
    private var staged: [(temporary: String, place: String)] = []
    /// Folders with new names in them.
    private var changed: Set<String> = []
    private var made: Set<String> = []
    private(set) var filesWritten = 0
    private(set) var bytesWritten = 0
    private(set) var filesRemoved = 0

    /// Makes the folder where there is none, and locks it.
    init(_ path: String) throws {
        self.path = path
        try TileFolder.makeFolders(path)
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0 else { throw TileFolder.error("cannot be opened", path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let isBusy = errno == EWOULDBLOCK
            let error = TileFolder.error("cannot be locked", path)
            close(lock)
            throw isBusy
                ? HomeError(.busy, "is being written by another export; try again when it has finished", path: path)
                : error
        }
    }

    deinit {
        close(lock)
    }

    /// The bytes of a file, `nil` where there is none.
    func read(_ file: PublishedFile) throws -> [UInt8]? {
        switch try FolderSource(path: path).read(file) {
        case .bytes(let bytes): return bytes
        case .missing: return nil
        case .unusable(let reason): throw HomeError(.io, reason, path: "\(path)/\(file.path)")
        }
    }

    /// Writes a file beside its place, unless it is there as it has to be.
    func stage(_ file: PublishedFile, _ bytes: [UInt8]) throws {
        let place = "\(path)/\(file.path)"
        if case .bytes(bytes) = try FolderSource(path: path).read(file) { return }
        let folder = TileFolder.parent(of: place)
        if made.insert(folder).inserted { changed.formUnion(try TileFolder.makeFolders(folder)) }
        let temporary = "\(folder)/.\(place.dropFirst(folder.utf8.count + 1)).tmp"
        try TileFolder.write(bytes, to: temporary)
        staged.append((temporary, place))
        filesWritten += 1
        bytesWritten += bytes.count
    }

    /// Makes all that was staged durable and puts it in its place.
    func flush() throws {
        // One after the other, but after all were written: the disk has them together.
        for file in staged { try TileFolder.synchronise(file.temporary, O_RDONLY) }
        for file in staged {
            guard rename(file.temporary, file.place) == 0 else { throw TileFolder.error("cannot be made", file.place) }
            changed.insert(TileFolder.parent(of: file.place))
        }
        for folder in changed { try TileFolder.synchronise(folder, O_RDONLY | O_DIRECTORY) }
        staged = []
        changed = []
    }

    /// Puts the checkpoint in its place, after all that it covers.
    func publish(checkpoint: String) throws {
        try flush()
        try stage(.checkpoint, [UInt8](checkpoint.utf8))
        try flush()
    }

    /// Removes partial tiles and bundles that are not at the edge of the tree of this size, and what a killed export has
    /// left half written there. Those of the edge before it stay once more where they have not become full: whoever has
    /// just read the checkpoint before this one still finds them.
    func sweep(size: UInt64, previous: UInt64) {
        let edges = TileFolder.edge(of: size) + TileFolder.edge(of: previous)
        let places = Set(TileFolder.edge(of: size).map(\.full))
        let wanted = Set(edges.filter { places.contains($0.full) }.map { "\(path)/\($0.path)" })
        let folders = Set(edges.map { TileFolder.placeFolder(of: "\(path)/\($0.path)") })
        for folder in folders {
            for name in TileFolder.names(in: folder) {
                if name.hasPrefix("."), name.hasSuffix(".tmp") { remove("\(folder)/\(name)") }
                guard name.hasSuffix(".p") else { continue }
                for width in TileFolder.names(in: "\(folder)/\(name)")
                where !wanted.contains("\(folder)/\(name)/\(width)") {
                    remove("\(folder)/\(name)/\(width)")
                }
                // Stays where something is left in it.
                rmdir("\(folder)/\(name)")
            }
        }
    }

    /// The partial tiles of a tree of this size, and the bundle beside that of the leaves.
    private static func edge(of size: UInt64) -> [PublishedFile] {
        (0..<TreeEdge.levelCount).flatMap { level -> [PublishedFile] in
            let width = Int((size >> (8 * level)) & 255)
            guard width > 0,
                let tile = try? TileCoordinate(level: level, number: (size >> (8 * level)) >> 8, width: width)
            else { return [] }
            guard level == 0, let bundle = try? BundleCoordinate(of: tile) else { return [.tile(tile)] }
            return [.tile(tile), .bundle(bundle)]
        }
    }

    /// The folder that a partial tile's own folder, `N.p`, is in.
    private static func placeFolder(of path: String) -> String { parent(of: parent(of: path)) }

    private func remove(_ path: String) {
        if unlink(path) == 0 { filesRemoved += 1 }
    }

    // MARK: Calls of the system

    private static func parent(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    /// Makes a folder and those above it; answers those that have a new name in them.
    @discardableResult
    private static func makeFolders(_ path: String) throws -> [String] {
        if mkdir(path, 0o777) == 0 { return [parent(of: path)] }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw HomeError(.exists, "is there and is no folder", path: path)
            }
            return []
        case ENOENT where path.contains("/") && path != "/":
            let changed = try makeFolders(parent(of: path))
            guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw error("cannot be made", path) }
            return changed + [parent(of: path)]
        default: throw error("cannot be made", path)
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        // What a killed export has left there is written over.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw error("cannot be written", path) }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let step = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if step < 0, errno == EINTR { continue }
            guard step > 0 else { throw error("cannot be written", path) }
            done += step
        }
    }

    private static func synchronise(_ path: String, _ flags: Int32) throws {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw error("cannot be made durable", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw error("cannot be made durable", path) }
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func error(_ what: String, _ path: String) -> HomeError {
        let category: HomeError.Category =
            switch errno {
            case EACCES, EPERM, EROFS: .notPermitted
            case ENOENT, ENOTDIR: .noInput
            default: .io
            }
        return HomeError(category, "\(what): \(String(cString: strerror(errno)))", path: path)
    }
}
