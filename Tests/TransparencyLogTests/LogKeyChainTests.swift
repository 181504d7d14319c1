import Cryptography
import Testing
import TransparencyLog

/// Which key of a log may sign which checkpoint.
struct LogKeyChainTests {
    private static let origin = "us.example/krus"

    private let signers: [NoteSigner]
    private let changes: [LogKeyChange]

    /// Four keys; the second signs from size 10 on, the third from 20, the fourth from 30.
    init() throws {
        let signers = try (0..<4).map { _ in
            try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey())
        }
        self.signers = signers
        changes = (1...3).map { number in
            LogKeyChange(
                size: UInt64(number) * 10, old: signers[number - 1].verifierKey, new: signers[number].verifierKey)
        }
    }

    private func note(_ size: UInt64, by numbers: Int...) throws -> SignedNote {
        var note = try Checkpoint(origin: Self.origin, size: size, root: .zero).sign(with: signers[numbers[0]])
        for number in numbers.dropFirst() { try note.add(signers[number].sign(note.text)) }
        return note
    }

    @Test("From any key of the chain the same keys and sizes follow", arguments: 0..<4)
    func anchors(_ number: Int) throws {
        let chain = LogKeyChain(anchor: signers[number].verifierKey, changes: changes.reversed())
        #expect(chain.keys == signers.map(\.verifierKey))
        #expect(chain.reigns.map(\.sizes) == [0...10, 10...20, 20...30, 30...UInt64.max])
        #expect(chain.changes == changes)
        #expect(chain.current == signers[3].verifierKey)
    }

    @Test("A key signs at its own sizes only; at a change both do")
    func sizes() throws {
        let chain = LogKeyChain(anchor: signers[0].verifierKey, changes: changes)
        for (number, first, last) in [(0, 1, 10), (1, 10, 20), (2, 20, 30), (3, 30, 1_000)] as [(Int, UInt64, UInt64)] {
            for size in [first, last] { #expect(try chain.verify(note(size, by: number)).size == size) }
            if number < 3 {
                #expect(throws: NoteError.retiredKey(origin: Self.origin, size: last + 1)) {
                    try chain.verify(note(last + 1, by: number))
                }
            }
            if first > 1 {
                #expect(throws: NoteError.retiredKey(origin: Self.origin, size: first - 1)) {
                    try chain.verify(note(first - 1, by: number))
                }
            }
        }
        #expect(chain.isComplete(try note(10, by: 0, 1), size: 10))
        #expect(!chain.isComplete(try note(10, by: 0), size: 10))
        #expect(!chain.isComplete(try note(10, by: 1), size: 10))
    }

    @Test("Changes that begin at no key of the chain, or bring one back, lead nowhere")
    func strangers() throws {
        let stranger = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey()).verifierKey
        let other = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey()).verifierKey
        let added = [
            LogKeyChange(size: 5, old: stranger, new: other),
            LogKeyChange(size: 40, old: signers[3].verifierKey, new: signers[0].verifierKey),
            LogKeyChange(size: 15, old: signers[0].verifierKey, new: other),
        ]
        for anchor in [0, 3] {
            let chain = LogKeyChain(anchor: signers[anchor].verifierKey, changes: changes + added)
            #expect(chain.changes == changes)
        }
        #expect(LogKeyChain(anchor: stranger, changes: changes).keys == [stranger])
        let foreign = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey())
        var mixed = try note(35, by: 3)
        try mixed.add(foreign.sign(mixed.text))
        let chain = LogKeyChain(anchor: signers[0].verifierKey, changes: changes)
        #expect(chain.foreignKeyIDs(of: mixed) == [foreign.verifierKey.keyID])
        #expect(try chain.open(mixed).note.signatures == [try note(35, by: 3).signatures[0]])
        // A line that names a known key, and is not that key's, is never left in a note.
        var forged = try note(30, by: 2)
        let other30 = try note(30, by: 3).signatures[0]
        try forged.add(
            NoteSignature(name: other30.name, keyID: other30.keyID, signature: mixed.signatures[0].signature))
        #expect(throws: NoteError.self) { try chain.open(forged) }
    }

    @Test("A change counts only where both keys, which must be the log's, have signed it")
    func statements() throws {
        let (old, new) = (signers[0], signers[1])
        let statement = LogKeyChange.statement(old: old.verifierKey, new: new.verifierKey)
        func change(
            origin: String = LogKeyChainTests.origin, old: NoteSigner, new: NoteSigner, by signatures: [[UInt8]?]
        ) -> LogKeyChange? {
            LogKeyChange(index: 9, origin: origin, old: old.verifierKey.text, new: new.verifierKey.text) { key in
                key == old.verifierKey ? signatures[0] : signatures[1]
            }
        }
        let both = try [old.sign(statement: statement), new.sign(statement: statement)]
        #expect(change(old: old, new: new, by: both) == changes[0])
        #expect(change(old: old, new: new, by: [both[0], nil]) == nil)
        #expect(change(old: old, new: new, by: [nil, both[1]]) == nil)
        #expect(change(old: old, new: new, by: both.reversed()) == nil)
        #expect(change(old: old, new: signers[2], by: both) == nil)
        #expect(change(origin: "kr.example/krus", old: old, new: new, by: both) == nil)
        #expect(change(old: old, new: old, by: [both[0], both[0]]) == nil)
        // No checkpoint has such a text, and no statement is one.
        let text = String(decoding: statement, as: UTF8.self)
        #expect((try? Checkpoint(parsing: text)) == nil)
    }
}
