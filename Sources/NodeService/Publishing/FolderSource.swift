import Dispatch
import Glibc
public import TransparencyLog

/// A published log in a folder.
public struct FolderSource: PublishedSource {
    private let path: String

    /// The folder that has the log's `checkpoint`.
    public init(path: String) {
        self.path = path
    }

    public func read(_ files: [PublishedFile], _ take: @Sendable (Int, PublishedContent) -> Void) throws {
        guard files.count > 1 else {
            if let file = files.first { take(0, read(file)) }
            return
        }
        DispatchQueue.concurrentPerform(iterations: files.count) { take($0, read(files[$0])) }
    }

    private func read(_ file: PublishedFile) -> PublishedContent {
        let descriptor = open("\(path)/\(file.path)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .unusable(FolderSource.reason())
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .unusable(FolderSource.reason()) }
        // A community may be called "checkpoint".
        if status.st_mode & S_IFMT == S_IFDIR { return .missing }
        guard status.st_mode & S_IFMT == S_IFREG else { return .unusable("it is no regular file") }
        guard let size = Int(exactly: status.st_size), size <= file.maximumByteCount else {
            return .unusable("it has \(status.st_size) bytes, more than it may have")
        }
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let step = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
                if step < 0, errno == EINTR { continue }
                if step < 0 { failure = FolderSource.reason() }
                guard step > 0 else { return }
                count += step
            }
        }
        if let failure { return .unusable(failure) }
        return bytes.count == size ? .bytes(bytes) : .unusable("it became shorter while it was read")
    }

    private static func reason() -> String { "it cannot be read: \(String(cString: strerror(errno)))" }
}
