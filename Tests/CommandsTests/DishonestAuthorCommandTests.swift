import Cryptography
import Foundation
import Home
import LogStore
import NodeService
import Records
import Sealing
import Testing

/// An author that boxes another key to one of its readers than to the others, with the real program at the reader.
@Suite(.serialized) struct DishonestAuthorCommandTests {
    private static let victim = "Sky Mavis"

    /// Appends a record of us that names kr as a reader, after `change` has done to its blob what an honest author does
    /// not. All that is signed is of the changed blob, with the key that the author and its other readers have.
    private func append(
        _ label: String, to place: Place, _ change: (inout SealedBlob, SealedBox.PublicKey) throws -> Void
    ) throws -> String {
        let node = try Node.open("\(place.path)/us")
        let reader = try Node.open("\(place.path)/kr").keystore.sealingPublicKey(epoch: 1)
        var value = [UInt8]("\"\(Self.victim)\"".utf8)
        let (signed, honest) = try Envelope.seal(
            fields: [SealedField(name: "victim", value: SecretBytes(wiping: &value))], origin: "us.example/krus",
            recordType: "attribution",
            recipients: [
                SealingRecipient(node: "us.example", key: node.keystore.sealingPublicKey(epoch: 1)),
                SealingRecipient(node: "kr.example", key: reader),
            ])
        var content = try SealedBlob(parsing: honest)
        let own = try #require(content.recipients.first { $0.node == "us.example" })
        let keys = try SealingKeys(dataKey: node.keystore.sealingKey(epoch: 1).open(own.box))
        try change(&content, reader)
        let blob = content.serialized()
        let recipients = try signed.recipients.map { recipient -> Records.SealedHeader.Recipient in
            let name = try #require(NodeName(recipient.node))
            let id = try #require(SHA256Digest(recipient.keyID))
            return .init(node: name, keyID: id)
        }
        let made = Records.SealedHeader(
            salt: signed.salt, recipients: recipients, fields: signed.fields, size: blob.count,
            sha256: SHA256.hash(blob), commitment: keys.commitment(to: content, origin: "us.example/krus"))
        let header = try #require(made)
        let body = JSONWriter.write(
            .object([
                JSONMember("v", .integer(1)), JSONMember("type", .string("attribution")),
                JSONMember("time", .string("2026-03-01T00:00:00Z")), JSONMember("author", .string("tester")),
                JSONMember("tlp", .string("amber")), JSONMember("label", .string(label)),
                JSONMember("sealed", header.value),
            ]))
        let result = try node.append(
            [NewEntry(body: body, blob: NewBlob(sha256: header.sha256, bytes: blob))], community: "krus",
            signer: node.signer(community: "krus"))
        guard case .appended(let index, _) = result.outcomes[0] else { return "" }
        return "us.example/krus#\(index)"
    }

    @Test func theReaderSeesTheRestOfTheRecordAndIsToldWhichCheckRefusesTheSealedPart() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let honest = try append("honest", to: place) { _, _ in }
        let other = try append("another key", to: place) { content, reader in
            content.recipients[0].box = try reader.seal(SecretBytes.random(count: 32))
        }
        let shut = try append("no key", to: place) { content, _ in content.recipients[0].box[60] ^= 1 }
        try place.serve("us")
        try place.must("kr", "sync", "us.example")

        for (reference, label, check) in [
            (other, "another key", "wrong_commitment"), (shut, "no key", "box_does_not_open"),
        ] {
            let shown = try place.run("kr", "show", reference)
            #expect(shown.status == 1)
            for text in ["label: \(label)", "sealed to kr.example, us.example: victim", check, "held by"] {
                #expect(shown.output.contains(text), "\(text): \(shown.output)")
            }
            #expect(!shown.output.contains(Self.victim))
            #expect(shown.errors.contains("\(reference) is refused (\(check))"), "\(shown.errors)")
            shown.expectOneLine()
            let object = try place.run("kr", "show", reference, "--json")
            #expect(object.status == 1)
            let view = try #require(object.objects.first)
            #expect(view["sealed_part"] as? String == "refused" && view["sealed_problem"] as? String == check)
            #expect((view["opened"] as? [String: Any])?.isEmpty == true)
            #expect((view["record"] as? [String: Any])?["label"] as? String == label)
            // Its author opens it, and cannot be told from an honest one by that.
            #expect(try place.must("us", "show", reference).output.contains(Self.victim))
        }
        // Each search says so, not only the one that fills the index.
        for _ in 0..<2 {
            let found = try place.must("kr", "search", "--sealed", "victim=\(Self.victim)", "--json")
            #expect(found.objects.compactMap { $0["ref"] as? String } == [honest])
            #expect(found.errors.contains("2 sealed parts are not what the signed record promises"), "\(found.errors)")
            #expect(found.errors.contains("`entente show \(other)`"), "\(found.errors)")
        }
        #expect(try !place.must("us", "search", "--sealed", "victim=\(Self.victim)").errors.contains("promises"))
        let view = try #require(place.must("kr", "show", honest, "--json").objects.first)
        #expect(view["sealed_part"] as? String == "opened" && view["sealed_problem"] is NSNull)
        try place.expectSound("kr")
        // An audit says so once it opens what is sealed; that is noted, and the logs are as they were signed.
        let audit = try place.run("kr", "verify", "--sealed", "--json")
        let problems = try #require(audit.objects.first?["problems"] as? [[String: Any]])
        #expect(audit.status == 1 && problems.count == 2, "\(audit.output)")
        for (reference, check) in [(other, "wrong_commitment"), (shut, "box_does_not_open")] {
            #expect(
                problems.contains {
                    reference == "us.example/krus#\($0["entry"] as? Int ?? 0)"
                        && $0["origin"] as? String == "us.example/krus"
                        && ($0["text"] as? String)?.contains("refused (\(check))") == true
                }, "\(problems)")
        }
        #expect(try place.run("kr", "verify", "--sealed", "--log", "kr.example/krus").status == 0)
        #expect(try place.run("us", "verify", "--sealed").status == 0)
        #expect(try place.run("kr", "verify", "--sealed", "\(place.path)/kr").status == 64)
    }
}
