import Glibc

// Key files that are gone, and what to do then.
extension Keystore {
    /// Key files of which every node has one.
    public enum CommonFile: Sendable, Hashable, CaseIterable {
        case mirror, doubles, tls
    }

    /// Which of these are gone.
    public func lostFiles() throws -> Set<CommonFile> {
        Set(try CommonFile.allCases.filter { try SystemCall.status(path(of: $0)) == nil })
    }

    /// Whether the file of a mirror key is there that is in use.
    public var hasMirrorKey: Bool {
        get throws { try SystemCall.status(mirrorFile.path) != nil }
    }

    public var hasTLSKey: Bool {
        get throws { try SystemCall.status(tlsPath) != nil }
    }

    /// Whether there is the key file of a log, whatever is in it.
    public func hasLogKey(community: String, generation: UInt64 = 1) throws -> Bool {
        try SystemCall.status(logFile(community, generation).path) != nil
    }

    /// Throws where a key file, the first of these that is there, cannot be read with the keys as they are open here.
    package func checkReadable() throws {
        if try hasMirrorKey {
            _ = try mirrorKey()
        } else if let log = try logGenerations().first {
            _ = try logKey(community: log.community, generation: log.generation)
        } else if try hasTLSKey {
            _ = try tlsKey()
        }
    }

    /// What to do about the key file of a log that is gone.
    public func lostLogKey(community: String, generation: UInt64 = 1) throws -> HomeError {
        let file = try logFile(community, generation)
        let hasNext = try nextLogPublicKey(community: community, generation: generation) != nil
        return HomeError(
            .noInput,
            "is gone, and nothing can be appended to \(file.name)"
                + (hasNext ? " (the key beside it, of a rotation that was begun, is none of that log yet)" : "")
                + ": put it back from a backup of keys/; if there is none, `entente community successor \(community) "
                + "--abandon` goes on in a new log", path: file.path)
    }

    /// The same for a file of which every node has one.
    public func lost(_ file: CommonFile) -> HomeError {
        let rest =
            switch file {
            case .mirror:
                "and nothing can be cosigned: put it back from a backup of keys/; if there is none, `entente key rotate "
                    + "mirror` makes another"
            case .doubles:
                "and nothing can be appended: put it back from a backup of keys/, or run `entente recover`, which makes "
                    + "another"
            case .tls:
                "and no partner can be connected: put it back from a backup of keys/; if there is none, `entente key stolen "
                    + "tls` makes another, and partners need the new card (`entente identity`)"
            }
        return HomeError(.noInput, "is gone, \(rest)", path: path(of: file))
    }

    /// Reads one of these, and says what to do where it is gone.
    func reading<Value>(_ file: CommonFile, _ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch let error as HomeError where error.category == .noInput {
            throw lost(file)
        }
    }

    private func path(of file: CommonFile) -> String {
        switch file {
        case .mirror: mirrorFile.path
        case .doubles: doublesFile.path
        case .tls: tlsPath
        }
    }
}

// The mirror key in public, beside the certificate: only with it can a record lead partners from a key that is lost to
// the next one.
extension HomeFolder {
    private var mirrorKeyNote: String { "\(certificatesFolder)/mirror.vkey" }

    /// The mirror key that was used last, as it was noted; `nil` where none was.
    public func notedMirrorKey() throws -> String? {
        guard try SystemCall.status(mirrorKeyNote) != nil else { return nil }
        let bytes = try OpenFile(mirrorKeyNote, O_RDONLY | O_NONBLOCK).readAll(limit: 4_096)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }

    public func noteMirrorKey(_ key: String) throws {
        guard try notedMirrorKey() != key else { return }
        try AtomicFile.write(Array("\(key)\n".utf8), to: mirrorKeyNote)
    }
}
