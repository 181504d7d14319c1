import Cryptography
import Glibc
import Home
import LogStore
import NodeService
import Records
import Sealing
import Testing
import TransparencyLog

/// What a reader is shown of a record that a grant has opened to it.
///
/// The record is sealed to another key of this node's than the one in its home, as after the loss of an old key: only a
/// grant can open it here.
@Suite struct GrantViewTests {
    @Test func anHonestGrantShowsTheOriginalAndOneToAnotherPlaintextShowsNothing() throws {
        let scene = try Scene()
        #expect(try scene.view().sealedPart == .keyMissing)

        // Boxes a key of the author's choice, with everything else as it must be: under it another text would open.
        try scene.append(scene.forgedGrant())
        #expect(try scene.problem() == "wrong_commitment")

        // A box and a commitment of an honest grant that names another place open nothing either.
        let honest = try scene.honestGrant()
        try scene.append(honest, hash: SHA256.hash("another record"))
        #expect(try scene.problem() == "wrong_commitment")

        // With a commitment that is not the grant's.
        var changed = honest
        changed.commitment[0] ^= 1
        try scene.append(changed)
        #expect(try scene.problem() == "wrong_grant_commitment")

        // What was wrong before it does not stand in the way of one that is right.
        try scene.append(honest)
        let view = try scene.view()
        #expect(view.sealedPart == .opened)
        #expect(view.opened.map(\.value) == [.string("the truth")])
    }

    @Test func aRecordIsFoundByWhatAGrantHasOpenedOnceItHas() throws {
        let scene = try Scene()
        // It was looked at, and did not open.
        #expect(try scene.found("the truth") == [])
        try scene.append(scene.forgedGrant())
        #expect(try scene.found("the truth") == [])
        try scene.append(scene.honestGrant())
        #expect(try scene.found("the truth") == [1])
        #expect(try scene.found("a lie") == [])
        // An index that is filled after the grant has it too.
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] { unlink("\(scene.path)/\(name)") }
        #expect(try scene.found("the truth") == [1])
    }
}

/// A home with one sealed record in its log.
private final class Scene {
    let path: String
    private let node: Node
    private let old = try? SealedBox.PrivateKey()
    private let header: Sealing.SealedHeader
    private let blob: [UInt8]
    private let index: UInt64

    init() throws {
        path = "/tmp/entente-grant-\(RandomBytes.make(count: 8).map { String($0, radix: 16) }.joined())"
        node = try Node.found(
            .init(
                node: "us.example", communities: ["krus"], listen: #require(HostAndPort("127.0.0.1:1")), endpoint: nil,
                author: "tester"), at: path)
        let key = try #require(old)
        var text = [UInt8](#""the truth""#.utf8)
        (header, blob) = try Envelope.seal(
            fields: [SealedField(name: "victim", value: SecretBytes(wiping: &text))], origin: "us.example/krus",
            recordType: "attribution", recipients: [SealingRecipient(node: "us.example", key: key.publicKey)])
        index = try node.store.log("us.example/krus").map(\.size) ?? 0
        let recipients = header.recipients.compactMap { recipient -> Records.SealedHeader.Recipient? in
            guard let name = NodeName(recipient.node), let id = SHA256Digest(recipient.keyID) else { return nil }
            return .init(node: name, keyID: id)
        }
        let made = Records.SealedHeader(
            salt: header.salt, recipients: recipients, fields: header.fields, size: header.size, sha256: header.sha256,
            commitment: header.commitment)
        let inBody = try #require(made)
        let body = JSONWriter.write(
            .object([
                JSONMember("v", .integer(1)), JSONMember("type", .string("attribution")),
                JSONMember("sealed", inBody.value),
            ]))
        try append(NewEntry(body: body, blob: NewBlob(sha256: header.sha256, bytes: blob)))
    }

    deinit { removeTree(path) }

    private var reference: String { "us.example/krus#\(index)" }

    private func leafHash() throws -> SHA256Digest {
        let log = try #require(try node.store.log("us.example/krus"))
        return MerkleHasher().leaf(try #require(try node.store.body(of: log.id, at: index)))
    }

    private func recipient() throws -> SealingRecipient {
        SealingRecipient(node: "us.example", key: try node.keystore.sealingKey(epoch: 1).publicKey)
    }

    func honestGrant() throws -> Grant {
        try Grant.make(
            blob: blob, header: header, origin: "us.example/krus", reference: reference, leafHash: leafHash(),
            newRecipients: [recipient()], as: "us.example", keys: [#require(old)])
    }

    func forgedGrant() throws -> Grant {
        let keys = try SealingKeys(dataKey: SecretBytes.random(count: 32))
        let recipient = try recipient()
        let boxes = [
            BoxedKey(node: recipient.node, keyID: recipient.keyID, box: try recipient.key.seal(keys.dataKey))
        ]
        return Grant(
            reference: reference, leafHash: try leafHash(), originalCommitment: header.commitment, recipients: boxes,
            commitment: keys.grantCommitment(
                reference: reference, leafHash: try leafHash(), originalCommitment: header.commitment,
                recipients: boxes))
    }

    func append(_ grant: Grant, hash: SHA256Digest? = nil) throws {
        let place = try #require(Reference(reference))
        let target = RecordTarget(reference: place, hash: hash ?? grant.leafHash)
        let boxes = try grant.recipients.map { boxed in
            JSONValue.object([
                JSONMember("node", .string(boxed.node)),
                JSONMember("key_id", .string(try #require(SHA256Digest(boxed.keyID)).hex)),
                JSONMember("box", .string(Base64.encode(boxed.box))),
            ])
        }
        let body = JSONWriter.write(
            .object([
                JSONMember("v", .integer(1)), JSONMember("type", .string("grant")), JSONMember("target", target.value),
                JSONMember("original_commitment", .string(Base64.encode(grant.originalCommitment))),
                JSONMember("recipients", .array(boxes)),
                JSONMember("commitment", .string(Base64.encode(grant.commitment))),
            ]))
        try append(NewEntry(body: body))
    }

    private func append(_ entry: NewEntry) throws {
        _ = try node.append([entry], community: "krus", signer: node.signer(community: "krus"))
    }

    func found(_ victim: String) throws -> [UInt64] {
        try SealedIndex(node: node).positions(where: [SealedCondition(field: "victim", value: victim)]).map(\.index)
    }

    /// Which check refuses the sealed part; the rest of the record is there.
    func problem() throws -> String? {
        let view = try view()
        #expect(view.sealedPart == .refused && view.opened.isEmpty && view.header != nil)
        return view.refusal?.check
    }

    func view() throws -> RecordView {
        let place = try #require(Reference(reference))
        return try #require(try RecordViewer(node: node).view(place, opening: true))
    }
}

private func removeTree(_ path: String) {
    var child: pid_t = 0
    let words: [String] = ["rm", "-rf", "--", path]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    var status: Int32 = 0
    if posix_spawn(&child, "/bin/rm", nil, nil, &arguments, nil) == 0 { waitpid(child, &status, 0) }
}
