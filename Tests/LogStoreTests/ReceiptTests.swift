import Cryptography
import LogStore
import Testing
import TransparencyLog

@Suite("Receipts")
struct ReceiptTests {
    private let hash = SHA256.hash("blob")

    private func receipt(
        _ index: UInt64, _ holder: String = "kr.example", time: UInt64 = 100, line: String = "line"
    ) -> StoredReceipt {
        StoredReceipt(index: index, sha256: hash, holder: holder, time: time, line: line)
    }

    /// The digest of these receipts, from nothing but its definition.
    private func digest(_ receipts: [StoredReceipt]) -> SHA256Digest {
        let pages = Dictionary(grouping: receipts) { $0.index / ReceiptDigest.pageSize }
        return ReceiptDigest.log(
            pages.mapValues { page in
                ReceiptDigest.page(
                    page.sorted { ($0.index, $0.sha256, $0.holder) < ($1.index, $1.sha256, $1.holder) }
                        .map {
                            ReceiptDigest.Leaf(index: $0.index, sha256: $0.sha256, holder: $0.holder, time: $0.time)
                        })
            })
    }

    @Test("The earliest receipt of a holder is kept, whatever the order they come in, and only news is answered")
    func earliest() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let first = receipt(5, time: 100, line: "b")
        let same = receipt(5, time: 100, line: "a")
        let earlier = receipt(5, time: 99, line: "c")
        #expect(try store.store([first], of: logID) == [first])
        #expect(try store.store([first, receipt(5, time: 101)], of: logID).isEmpty)
        #expect(
            try store.unknown([receipt(5, line: "z"), first, same, earlier, receipt(5, time: 101)], of: logID) == [
                same, earlier,
            ])
        #expect(try store.store([same], of: logID) == [same])
        #expect(try store.store([earlier], of: logID) == [earlier])
        #expect(try store.store([same, first], of: logID).isEmpty)
        #expect(try folder.open().receipts(of: logID, entries: 0..<10) == [earlier])
        #expect(try store.store([receipt(.max), receipt(1, time: .max)], of: logID).isEmpty)
    }

    @Test("Receipts are read in order, by range and in parts")
    func reading() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let all = (0..<300).flatMap { [receipt($0, "jp.example"), receipt($0, "kr.example")] }
        _ = try store.store(all.shuffled(), of: logID)
        #expect(try store.receipts(of: logID, entries: 0..<300) == all)
        #expect(try store.receipts(of: logID, entries: 10..<12) == Array(all[20..<24]))
        var read: [StoredReceipt] = []
        while true {
            let part = try store.receipts(of: logID, entries: 0..<300, after: read.last, limit: 7)
            if part.isEmpty { break }
            read += part
        }
        #expect(read == all)
    }

    @Test("The digest is that of the definition after every change, also of another process")
    func digests() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.createOwn("us.example/other")
        #expect(try store.receiptDigest(of: logID) == .zero)
        var all: [StoredReceipt] = []
        for index in [0, 4_095, 4_096, 9_000, 1] as [UInt64] {
            all.append(receipt(index))
            _ = try store.store([receipt(index)], of: logID)
            #expect(try store.receiptDigest(of: logID) == digest(all))
        }
        #expect(try store.receiptPages(of: logID).keys.sorted() == [0, 1, 2])
        #expect(try store.receiptDigest(of: SHA256.hash("us.example/other")) == .zero)

        let second = try folder.open()
        #expect(try second.receiptDigest(of: logID) == digest(all))
        _ = try second.store([receipt(1, time: 50), receipt(2, "jp.example")], of: logID)
        all = all.filter { $0.index != 1 } + [receipt(1, time: 50), receipt(2, "jp.example")]
        #expect(try second.receiptDigest(of: logID) == digest(all))
        // The first store hears of it when it looks.
        try store.lookForReceipts()
        #expect(try store.receiptDigest(of: logID) == digest(all))
    }

    @Test("A blob and the receipt for it go in together or not at all")
    func together() throws {
        let bytes = [UInt8]("sealed bytes".utf8)
        let own = try StoreFolder()
        let source = try own.open()
        try source.createOwn()
        let head = try source.append([
            RecordBodies.sealed(bytes, to: ["kr.example"]), RecordBodies.sealed(bytes, to: ["kr.example"], note: "b"),
        ])
        let folder = try StoreFolder(node: "kr.example")
        let store = try folder.open()
        try store.createReplica()
        try store.receive(head, from: source)
        let wanted = try store.wantedBlobs(of: logID)
        let receipt = StoredReceipt(
            index: 0, sha256: SHA256.hash(bytes), holder: "kr.example", time: 7, line: "line")
        #expect(throws: StoreError.wrongBlob(index: 0)) { try store.store([1], for: wanted[0], receipt: receipt) }
        #expect(try store.receipts(of: logID, entries: 0..<2).isEmpty)
        #expect(try store.store(bytes, for: wanted[0], receipt: receipt))
        #expect(try folder.open().receipts(of: logID, entries: 0..<2) == [receipt])
        #expect(try store.blobsWithoutReceipt(limit: 10).isEmpty)
        // A blob that came when the clock was wrong still gets its receipt.
        try store.store(bytes, for: wanted[1])
        #expect(try store.blobsWithoutReceipt(limit: 10) == [wanted[1]])

        let readers = try store.blobReaders(
            of: logID, blobs: [(0, SHA256.hash(bytes)), (1, SHA256.hash("other")), (2, SHA256.hash(bytes))])
        #expect(readers.map { $0?.recipients } == [["kr.example"], nil, nil])
    }
}

@Suite("Contacts")
struct ContactTests {
    @Test("What is not told stays, no time of hearing goes back, and an error counts until the peer is heard again")
    func contacts() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        #expect(try store.contacts().isEmpty)
        try store.note(PeerContact(peer: "kr.example", lastError: "Connection refused", lastErrorTime: 10))
        #expect(try store.contacts()["kr.example"]?.lastHeard == nil)
        #expect(try store.contacts()["kr.example"]?.currentError == "Connection refused")
        try store.note(PeerContact(peer: "kr.example", lastHeard: 20))
        try store.note(PeerContact(peer: "kr.example", lastHeard: 15))
        let contact = try #require(try folder.open().contacts()["kr.example"])
        #expect(
            contact
                == PeerContact(
                    peer: "kr.example", lastHeard: 20, lastError: "Connection refused", lastErrorTime: 10))
        #expect(contact.currentError == nil)
        try store.note(
            PeerContact(peer: "kr.example", lastError: String(repeating: "x", count: 5_000), lastErrorTime: 30))
        #expect(try store.contacts()["kr.example"]?.currentError?.count ?? 0 < 1_000)
        // Fails and works within one second: what came last counts.
        try store.note(PeerContact(peer: "kr.example", lastHeard: 40, lastError: "x", lastErrorTime: 40))
        #expect(try store.contacts()["kr.example"]?.currentError == "x")
        try store.note(PeerContact(peer: "kr.example", lastHeard: 40))
        #expect(try store.contacts()["kr.example"]?.currentError == nil)
        try store.note(PeerContact(peer: "kr.example", lastError: "y", lastErrorTime: 40))
        #expect(try store.contacts()["kr.example"]?.currentError == "y")
        #expect(try store.contacts()["kr.example"]?.lastErrorTime == 41)
    }

    @Test("How far each holder is and when it began comes from its cosignatures")
    func cosignatures() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        for (cosigner, size, time) in [
            ("kr.example", 5, 100), ("kr.example", 9, 200), ("jp.example", 7, 150), ("us.example", 9, 190),
        ] as [(String, UInt64, UInt64)] {
            try store.store(
                StoredCosignature(cosigner: cosigner, size: size, time: time, line: "\(size)"), of: logID)
        }
        let newest = try store.newestCosignatures(of: logID)
        #expect(newest.map(\.cosigner) == ["jp.example", "kr.example", "us.example"])
        #expect(newest.map(\.size) == [7, 9, 9])
        #expect(newest.map(\.line) == ["7", "9", "9"])
        #expect(
            try store.firstCosignatures(of: logID, covering: 4)
                == ["kr.example": 100, "jp.example": 150, "us.example": 190])
        #expect(
            try store.firstCosignatures(of: logID, covering: 6)
                == ["kr.example": 200, "jp.example": 150, "us.example": 190])
        #expect(try store.firstCosignatures(of: logID, covering: 9).isEmpty)
        #expect(try store.appended(5, to: logID) == (100, 150))
        #expect(try store.appended(9, to: logID) == (200, nil))
    }
}
