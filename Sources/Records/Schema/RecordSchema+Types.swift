extension RecordSchema {
    public static let members = record(
        .members, "who may hold this log, and whether members carry sealed blobs",
        [
            required("members", .list(.node, 1...1_024), "the nodes of the community", .never),
            optional("carry_sealed", .word(.carrySealed), "who carries sealed blobs; recipients where absent", .never),
            optional(
                "predecessor", .object(predecessor), "the log that was given up, and that this one continues", .never),
        ])

    public static let actor = record(
        .actor, "somebody or something that subjects are attributed to",
        [
            required("slug", .slug, "its identifier"),
            required("label", .line(1_000), "its name"),
            optional("aliases", .list(.line(1_000), 1...256), "further names"),
            optional("uri", .line(2_048), "where to read about it"),
            optional("categories", .list(.concept(.entityConcepts), 1...64), "what it is"),
            optional("jurisdictions", .list(.country, 1...256), "the countries it answers to"),
            optional("external_ids", .list(.object(externalIdentifiers), 1...256), "its identifiers elsewhere"),
            optional("source", .text(4_000), "where this is known from", .byDefaultUnlessPublic),
            optional("method", .text(4_000), "how it was found", .byDefault),
            optional("context", .text(12_000), "further facts, as a source gives them"),
            optional("case_number", .line(256), "the author's case", .byDefault),
            optional("note", .text(8_000), "what else to know", .byDefault),
        ])

    public static let attribution = record(
        .attribution, "what is known of an address or a transaction",
        [
            required("subject", .object(subject), "the address or transaction"),
            optional("asset", .line(64), "the asset by the source's ticker"),
            optional("label", .line(1_000), "what to call it"),
            optional("actor", .slug, "the actor's identifier"),
            optional("concepts", .list(.concept(.concepts), 1...64), "kinds of abuse or entity"),
            optional("tag_type", .word(.tagTypes), "what the attribution is about; actor where absent"),
            optional("cluster_definer", .boolean, "whether it holds for the whole cluster of addresses"),
            optional("confidence", .object(confidence), "how sure the author is"),
            optional("source", .text(4_000), "where this is known from", .byDefaultUnlessPublic),
            optional("method", .text(4_000), "how it was found", .byDefault),
            optional("observed_at", .moment, "when it was seen"),
            optional("valid_from", .moment, "since when it holds"),
            optional("valid_until", .moment, "until when it held"),
            optional("context", .text(12_000), "further facts, as a source gives them"),
            optional("victim", .line(1_000), "who lost the assets", .byDefault),
            optional("case_number", .line(256), "the author's case", .byDefault),
            optional("note", .text(8_000), "what else to know", .byDefault),
        ], atLeastOne: [["label", "actor", "concepts"]], ordered: [("valid_from", "valid_until")])

    public static let incident = record(
        .incident, "a crime that records belong to",
        [
            required("slug", .slug, "its identifier, which records name in `incident`"),
            required("name", .line(1_000), "its name"),
            required("kind", .word(.incidentKinds), "what kind of crime it is"),
            optional("occurred_at", .moment, "when it happened"),
            optional("victim", .line(1_000), "who lost the assets", .byDefault),
            optional("losses", .list(.object(losses), 1...256), "what was lost"),
            optional("actors", .list(.slug, 1...64), "who did it, by identifier"),
            optional("confidence", .object(confidence), "how sure the author is of the actors"),
            optional("source", .text(4_000), "where this is known from", .byDefaultUnlessPublic),
            optional("method", .text(4_000), "how it was found", .byDefault),
            optional("case_number", .line(256), "the author's case", .byDefault),
            optional("note", .text(8_000), "what else to know", .byDefault),
        ])

    public static let transfer = record(
        .transfer, "one hop of the money",
        [
            required("kind", .word(.transferKinds), "how it moved"),
            required("from", .list(.object(parties), 1...64), "where it came from"),
            required("to", .list(.object(parties), 1...64), "where it went"),
            optional("txs", .list(.object(transactions), 1...64), "the transactions"),
            optional("service", .slug, "the mixer, bridge, exchange: its actor's identifier"),
            optional("occurred_at", .moment, "when it moved"),
            optional("confidence", .object(confidence), "how sure the author is"),
            optional("source", .text(4_000), "where this is known from", .byDefaultUnlessPublic),
            optional("method", .text(4_000), "how it was found", .byDefault),
            optional("case_number", .line(256), "the author's case", .byDefault),
            optional("note", .text(8_000), "what else to know", .byDefault),
        ])

    public static let assessment = record(
        .assessment, "corroborates or disputes another record",
        [
            required("target", .object(target), "the record that this is about", .never),
            required("verdict", .word(.verdicts), "whether the author agrees"),
            optional("confidence", .object(confidence), "how sure the author is"),
            optional("reason", .text(4_000), "why"),
            optional("note", .text(8_000), "what else to know", .byDefault),
        ])

    public static let withdrawal = record(
        .withdrawal, "retracts or supersedes a record of the same log",
        [
            required("target", .object(target), "the record that no longer holds", .never),
            required("action", .word(.withdrawalActions), "what becomes of it", .never),
            optional("reason", .text(4_000), "why"),
            optional("replacement", .object(target), "the record that stands for it", .never),
        ],
        conditions: [
            .init(field: "action", value: "supersedes", requires: ["replacement"], forbids: []),
            .init(field: "action", value: "retracts", requires: [], forbids: ["replacement"]),
        ])

    public static let grant = record(
        .grant, "opens a sealed record of the same log, or of one that it succeeds, to further nodes",
        [
            required("target", .object(target), "the sealed record", .never),
            required("original_commitment", .base64(32...32), "the commitment in the sealed record", .never),
            required("recipients", .list(.object(grantedBox), 1...64), "the new recipients, by node and key", .never),
            required("commitment", .base64(32...32), "binds the boxes to the sealed record", .never),
        ])

    public static let erasure = record(
        .erasure, "asks every holder to delete a blob of the same log, or of one that it succeeds, for good",
        [
            required("target", .object(target), "the record that names the blob", .never),
            required("sha256", .sha256, "the blob", .never),
            optional("reason", .text(4_000), "why", .never),
        ])

    public static let key = record(
        .key, "publishes, replaces or retires a key of this node",
        [
            required("role", .word(.keyRoles), "what the key is for", .never),
            required("action", .word(.keyActions), "what becomes of it", .never),
            required("key_id", .sha256, "SHA-256 of the public key", .never),
            optional(
                "public_key", .line(1_024), "the key: a vkey (log, mirror), base64 (sealing), a pin (tls)", .never),
            optional("previous_key_id", .sha256, "the key that it replaces", .never),
            optional("previous_key", .line(1_024), "the vkey that a log key replaces", .never),
            optional("origin", .origin, "the log that a log key is for", .never),
            optional("epoch", .integer(0...JSONScanner.maximumInteger), "which of the sealing keys it is", .never),
            optional("valid_from", .time, "since when it is in use", .never),
            optional("valid_until", .time, "until when it is in use", .never),
            optional("signatures", .list(.object(keySignature), 1...4), "by the old and the new log key", .never),
            optional("reason", .text(4_000), "why", .never),
        ],
        conditions: [
            .init(field: "action", value: "publishes", requires: ["public_key"], forbids: ["previous_key_id"]),
            .init(field: "action", value: "replaces", requires: ["public_key", "previous_key_id"], forbids: []),
            .init(field: "role", value: "log", requires: ["origin"], forbids: ["epoch"]),
            .init(field: "role", value: "sealing", requires: ["epoch"], forbids: []),
        ], ordered: [("valid_from", "valid_until")])
}
