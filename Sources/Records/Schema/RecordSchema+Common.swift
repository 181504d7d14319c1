extension RecordSchema {
    /// The version of the format, in every body.
    public static let version: Int64 = 1

    static let commonNames: Set<String> = ["v", "type", "time", "author", "tlp", "incident", "provenance", "sealed"]

    static func required(
        _ name: String, _ kind: FieldKind, _ summary: String, _ sealing: FieldSealing = .onRequest
    ) -> RecordField {
        RecordField(name, kind, true, sealing, summary)
    }

    static func optional(
        _ name: String, _ kind: FieldKind, _ summary: String, _ sealing: FieldSealing = .onRequest
    ) -> RecordField {
        RecordField(name, kind, false, sealing, summary)
    }

    /// A record: the common fields around those of its type.
    static func record(
        _ type: RecordType, _ summary: String, _ fields: [RecordField], atLeastOne: [[String]] = [],
        conditions: [ObjectShape.Condition] = [], ordered: [(first: String, second: String)] = []
    ) -> RecordSchema {
        let head = [
            required("v", .integer(version...version), "version of this format", .never),
            required("type", .constantText(type.rawValue), "what kind of record this is", .never),
            required("time", .time, "when the record was written", .never),
            required(
                "author", .line(256), "who wrote it: the operating system's user or the certificate's name", .never),
            required("tlp", .word(.tlp), "how far it may be passed on (Traffic Light Protocol 2.0)", .never),
        ]
        // What a record that acts on its log says is for everybody who holds the log.
        var content = fields
        if !type.actsOnOwnLog {
            content.insert(optional("incident", .slug, "the incident that it belongs to"), at: 0)
            content.append(optional("provenance", .object(provenance), "where an import found it"))
        }
        if content.contains(where: { $0.sealing != .never }) {
            content.append(
                optional("sealed", .object(SealedHeader.shape), "which fields are sealed, and to whom", .never))
        }
        return RecordSchema(
            type, summary,
            ObjectShape(
                head + content, atLeastOne: atLeastOne, conditions: conditions, ordered: ordered))
    }

    static let provenance = ObjectShape([
        required("format", .line(64), "the format imported from, for example tagpack"),
        optional("file", .line(1_024), "the name of the file"),
        optional("position", .line(256), "the place in the file"),
        optional("header", .anyObject, "what the file's header says"),
        optional("fields", .anyObject, "fields of the format that a record has no place for"),
    ])

    static let subject = ObjectShape(
        [
            required("chain", .chain, "the blockchain, as CAIP-2"),
            optional("address", .address, "the address as received"),
            optional("tx_hash", .transactionHash, "the hash of the transaction"),
        ], exactlyOne: [["address", "tx_hash"]])

    static let confidence = ObjectShape(
        [
            optional("scheme", .slug, "whose levels these are; tagpack where absent"),
            optional("value", .integer(0...100), "from 0, a guess, to 100, proved"),
            optional("level", .concept(.confidenceLevels), "the level's name in its scheme"),
        ], atLeastOne: [["value", "level"]])

    static let target = ObjectShape([
        required("reference", .reference, "the place of the record"),
        required("hash", .sha256, "its leaf hash"),
    ])

    static let parties = ObjectShape([
        required("chain", .chain, "the blockchain, as CAIP-2"),
        optional("address", .address, "the address as received"),
        optional("asset", .line(64), "the asset by its ticker"),
        optional("amount", .decimal, "how much of the asset"),
    ])

    static let transactions = ObjectShape([
        required("chain", .chain, "the blockchain, as CAIP-2"),
        required("tx_hash", .transactionHash, "the hash of the transaction"),
    ])

    static let losses = ObjectShape(
        [
            optional("chain", .chain, "the blockchain, as CAIP-2"),
            optional("asset", .line(64), "the asset by its ticker"),
            optional("amount", .decimal, "how much of the asset"),
            optional("value_usd", .decimal, "what it was worth in US dollars"),
        ], atLeastOne: [["amount", "value_usd"]])

    static let externalIdentifiers = ObjectShape([
        required("scheme", .slug, "who gives these identifiers, for example ofac"),
        required("id", .line(256), "the identifier"),
    ])

    static let earlierLog = ObjectShape([
        required("origin", .origin, "a log that was given up before that one"),
        required("size", .integer(0...JSONScanner.maximumInteger), "how many entries its owner had written"),
        optional("root", .sha256, "the root of those entries"),
    ])

    static let predecessor = ObjectShape([
        required("origin", .origin, "the log that was given up"),
        optional(
            "size", .integer(0...JSONScanner.maximumInteger),
            "how many entries its owner had written; what stands behind them is somebody else's"),
        optional("root", .sha256, "the root of those entries"),
        optional(
            "earlier", .list(.object(earlierLog), 1...64),
            "where the logs before that one end, for who never gets its first record"),
        optional("evidence", .list(.sha256, 1...16), "SHA-256 of the checkpoints that prove the fork"),
        optional("reason", .text(2_000), "what happened"),
    ])

    static let grantedBox = ObjectShape([
        required("node", .node, "the node that may now open the record"),
        required("key_id", .sha256, "SHA-256 of its sealing key"),
        required("box", .base64(80...80), "the record's data key, boxed to that key"),
    ])

    static let keySignature = ObjectShape([
        required("key_id", .sha256, "SHA-256 of the key that signs"),
        required("signature", .base64(64...64), "its Ed25519 signature"),
    ])
}
