import Cryptography
import NodeService
import Testing
import TransparencyLog

/// A published log is what was signed, or the first file and entry that are not are named.
@Suite struct PublishedAuditTests {
    @Test(arguments: [1, 255, 256, 257, 512, 65_536, 65_793] as [UInt64])
    func aSoundLogIsSoundAndEveryFileOfItWasRead(size: UInt64) throws {
        let log = try PublishedLog(size: size)
        let report = try log.audit()
        #expect(report.isSound, "\(report.problems)")
        #expect(report.size == size && report.cosignatures.map(\.name) == ["kr.example"])
        #expect(log.readPaths.sorted() == log.paths)
    }

    @Test func aChangedByteOfAnyFileIsFoundInThatFile() throws {
        let log = try PublishedLog(size: 70_000)
        // All but the many full files between the first and the last.
        let paths = log.paths.filter { path in
            !path.contains("/0/") && !path.contains("entries") || path.contains(".p/") || path.contains("/000")
                || path.contains("/272")
        }
        // The checkpoint, three bundles and their tiles, two tiles above them, one above those.
        #expect(paths.count == 1 + 2 * 3 + 2 + 1, "\(paths)")
        for path in paths {
            let count = try #require(log.count(path))
            for byte in [0, 1, count / 2, count - 1] {
                log.change(path) { $0?[byte] ^= 1 }
                let report = try log.audit()
                #expect(report.problems.map(\.file) == [path], "byte \(byte) of \(path): \(report.problems)")
                #expect(!report.isSound)
                log.change(path) { $0?[byte] ^= 1 }
            }
            var kept: [UInt8]?
            log.change(path) { swap(&kept, &$0) }
            #expect(try log.audit().problems.map(\.file) == [path], "without \(path)")
            log.change(path) { $0 = kept.map { $0 + [0] } }
            #expect(try log.audit().problems.map(\.file) == [path], "with a byte behind \(path)")
            log.change(path) { $0 = kept }
        }
        #expect(try log.audit().isSound)
    }

    @Test func theFirstBadEntryIsNamed() throws {
        let log = try PublishedLog(size: 1_000)
        log.change("tile/entries/001") { $0?[600] ^= 1 }
        let bundle = try #require(try log.audit().problems.first)
        #expect(bundle.entry == 256 + 600 / 11 && bundle.file == "tile/entries/001", "\(bundle)")
        log.change("tile/entries/001") { $0?[600] ^= 1 }
        log.change("tile/0/002") { $0?[32 * 7 + 3] ^= 1 }
        let tile = try #require(try log.audit().problems.first)
        #expect(tile.entry == 512 + 7 && tile.file == "tile/0/002")
        log.change("tile/0/002") { $0?[32 * 7 + 3] ^= 1 }
        log.change("tile/1/000.p/3") { $0?[32] ^= 1 }
        #expect(try log.audit().problems.first?.entry == 256)
    }

    /// Bodies and their hashes changed together, as whoever serves the files could.
    @Test func aForgeryThatAgreesWithItselfFailsAtWhatWasSigned() throws {
        let log = try PublishedLog(size: 256)
        let other = try PublishedLog(size: 257)
        let body = [UInt8]("entry 9".utf8)
        var forged: [UInt8] = []
        for index in 0..<256 { try EntryBundle.append(index == 0 ? body : [UInt8]("entry \(index)".utf8), to: &forged) }
        let hashes = try EntryBundle.leafHashes(of: forged, hasher: MerkleHasher())
        log.change("tile/entries/000") { $0 = forged }
        log.change("tile/0/000") { $0 = hashes.flatMap(\.bytes) }
        log.change("tile/1/000.p/1") { $0 = MerkleHasher().root(of: hashes).bytes }
        #expect(try log.audit().problems.map(\.file) == ["checkpoint"])
        // Another key's log is not this one's.
        log.change("checkpoint") { $0 = other.bytes("checkpoint") }
        #expect(try log.audit().problems.map(\.file) == ["checkpoint"])
    }

    @Test func whereBothFilesOfAPlaceAreGoneTheRestIsStillHeldAgainstTheRoot() throws {
        let log = try PublishedLog(size: 1_000)
        log.change("tile/entries/001") { $0 = nil }
        log.change("tile/0/001") { $0 = nil }
        let above = try log.audit()
        #expect(above.problems.map(\.file) == ["tile/entries/001", "tile/0/001"] && above.problems[0].entry == 256)
        // Not even the tile above it: then it says what it could not see.
        log.change("tile/1/000.p/3") { $0 = nil }
        let report = try log.audit()
        #expect(report.unproved.contains { $0.hasPrefix("from entry 256 on") })
        #expect(report.problems.map(\.file) == ["tile/entries/001", "tile/0/001"])
    }

    @Test func aPartialTileMayHaveGoneForTheFullOne() throws {
        let log = try PublishedLog(size: 300)
        let grown = try PublishedLog(size: 512)
        for path in ["tile/0/001", "tile/entries/001"] {
            log.change("\(path).p/44") { $0 = nil }
            log.change(path) { $0 = grown.bytes(path) }
        }
        #expect(try log.audit().isSound)
        log.change("tile/entries/001") { $0?[5] ^= 1 }
        #expect(try log.audit().problems.map(\.file) == ["tile/entries/001.p/44"])
    }

    @Test func cosignaturesCountOnlyWhereTheyVerifyAndAreAskedFor() throws {
        let log = try PublishedLog(size: 3)
        let unasked = try log.audit(cosigners: [])
        #expect(unasked.isSound && unasked.cosignatures.isEmpty)
        #expect(unasked.unproved.contains { $0.contains("kr.example") })
        let jp = try Cosigner(name: "jp.example", privateKey: Ed25519.PrivateKey())
        #expect(try log.audit(cosigners: [jp.verifierKey]).problems.map(\.text) == ["jp.example has not cosigned it"])
        let impostor = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
        #expect(try !log.audit(cosigners: [impostor.verifierKey]).isSound)
        let early = try PublishedLog(size: 3, cosignedAt: 1_700_000_301)
        #expect(try early.audit().problems.map(\.text) == ["the cosignature of kr.example is dated in the future"])
    }
}

extension PublishedLog {
    func bytes(_ path: String) -> [UInt8]? {
        var bytes: [UInt8]?
        change(path) { bytes = $0 }
        return bytes
    }

    func count(_ path: String) -> Int? { bytes(path)?.count }
}
