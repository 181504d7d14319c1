import Cryptography
import Glibc

/// A file written beside the one it will become, complete and durable, but not yet in its place.
///
/// A crash before ``replace()`` or ``create()`` leaves what was there untouched, and a hidden file that nothing reads.
/// A crash within them leaves either the old file or the new one, whole.
package struct StagedFile: ~Copyable {
    private let temporaryPath: String
    private let path: String
    private let isPlaced = Flag()

    /// Whether the temporary name is gone already.
    private final class Flag {
        var value = false
    }

    /// Writes the bytes to a temporary file in the target's folder and makes them durable.
    package init(_ bytes: UnsafeRawBufferPointer, for path: String, mode: UInt32 = 0o600) throws {
        let folder = SystemCall.folder(of: path)
        let name = String(path.split(separator: "/").last ?? "file")
        let suffix = Hexadecimal.encode(RandomBytes.make(count: 8))
        let temporaryPath = "\(folder)/.\(name).\(suffix).tmp"
        let file = try OpenFile(temporaryPath, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        do {
            try file.setMode(mode)
            try file.write(bytes)
            try file.synchronise()
        } catch {
            unlink(temporaryPath)
            throw error
        }
        self.temporaryPath = temporaryPath
        self.path = path
    }

    deinit {
        if !isPlaced.value { unlink(temporaryPath) }
    }

    /// Puts the file in its place, over what is there.
    package consuming func replace() throws {
        guard rename(temporaryPath, path) == 0 else { throw SystemCall.error("cannot be replaced", path) }
        isPlaced.value = true
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }

    /// Puts the file in its place, where nothing may be yet: throws `exists` otherwise.
    package consuming func create() throws {
        // A crash between the two calls leaves a second, hidden name of the new file.
        guard link(temporaryPath, path) == 0 else { throw SystemCall.error("cannot be created", path) }
        unlink(temporaryPath)
        isPlaced.value = true
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }

    /// Forgets the file as a crash would, leaving the temporary one behind.
    package consuming func abandon() {
        isPlaced.value = true
    }
}

/// Files that are there whole or not at all.
package enum AtomicFile {
    /// Replaces or makes the file.
    package static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws {
        try bytes.withUnsafeBytes { try StagedFile($0, for: path, mode: mode).replace() }
    }

    /// Makes the file; throws `exists` where there is one.
    package static func create(_ bytes: [UInt8], at path: String, mode: UInt32 = 0o600) throws {
        try bytes.withUnsafeBytes { try StagedFile($0, for: path, mode: mode).create() }
    }
}
