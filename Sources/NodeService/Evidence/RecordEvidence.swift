import Cryptography
import LogStore
public import Records
public import TransparencyLog

/// One record with all that proves it, as one file: a page for people that holds the data for programs.
///
/// The data are one JSON object in a `script` element that no browser runs. The page says nothing that does not follow
/// from them: a file is what it should be only if writing its data anew gives the same bytes.
public struct RecordEvidence: Sendable, Hashable {
    /// A record of the same log that says something of a key, with its proof under the same checkpoint.
    public struct KeyRecord: Sendable, Hashable {
        public let body: [UInt8]
        public let proof: TLogProof
    }

    /// What a file says that it is. Each keeps its page as it is, for a file is held against it byte by byte.
    public enum Format: String, Sendable, CaseIterable {
        /// Its page says of all cosigners that they had the log, which is not so of a witness.
        case first = "entente-evidence/1"
        case second = "entente-evidence/2"
        /// Of a record behind the end of a log that its owner has given up; all others are written in the second.
        case third = "entente-evidence/3"

        /// What every such file begins with.
        var opening: String { "<!DOCTYPE html>\n<!-- \(rawValue): see \"How to verify\" below -->\n" }
    }

    /// The longest file, in bytes.
    public static let maximumByteCount = 16 << 20
    /// The most records about keys.
    public static let maximumKeyRecords = 64
    /// What a file's name should end with.
    public static let fileExtension = ".evidence.html"

    public let format: Format
    public let reference: Reference
    public let body: [UInt8]
    /// The place of the body under the checkpoint, with all cosignatures.
    public let proof: TLogProof
    /// The key that signs the log.
    public let logKey: VerifierKey
    /// Keys of those who have cosigned, as far as the exporting node knows them.
    public let cosignerKeys: [VerifierKey]
    public let keyRecords: [KeyRecord]
    /// Who has written the file, and when; nothing proves that.
    public let exporter: String
    public let exported: Timestamp
    /// How many entries the log's owner had written when it gave the log up, as the exporting node says; in the third
    /// format only.
    public let givenUpAt: UInt64?

    init(
        reference: Reference, body: [UInt8], proof: TLogProof, logKey: VerifierKey, cosignerKeys: [VerifierKey],
        keyRecords: [KeyRecord], exporter: String, exported: Timestamp, givenUpAt: UInt64?
    ) {
        format = givenUpAt == nil ? .second : .third
        self.reference = reference
        self.body = body
        self.proof = proof
        self.logKey = logKey
        self.cosignerKeys = cosignerKeys
        self.keyRecords = keyRecords
        self.exporter = exporter
        self.exported = exported
        self.givenUpAt = givenUpAt
    }

    /// What is proved by a file under the key that it is checked with.
    public struct Finding: Sendable, Hashable {
        public let checkpoint: Checkpoint
        /// Who has cosigned the checkpoint, and when, by keys of the file: whether these are theirs is another question.
        public var cosignatures: [DatedKey]
        /// Signature lines for which the file has no key.
        public var unknownLines: Int
    }

    public struct DatedKey: Sendable, Hashable {
        public let key: VerifierKey
        /// Unix seconds.
        public let time: UInt64

        public init(key: VerifierKey, time: UInt64) {
            self.key = key
            self.time = time
        }
    }

    /// Checks all that can be checked without knowing anybody: the record's place, the signature of the key on the
    /// checkpoint, the cosignatures by the file's keys, and the records about keys.
    public func verify(logKey: VerifierKey) throws -> Finding {
        let hasher = MerkleHasher()
        let checkpoint = try proof.verify(body: body, logKey: logKey, cosigners: cosignerKeys, hasher: hasher)
        guard checkpoint.origin == reference.origin.text, proof.index == reference.index else {
            throw EvidenceError.otherRecord
        }
        for record in keyRecords {
            guard try record.proof.verify(body: record.body, logKey: logKey, hasher: hasher) == checkpoint,
                EntryRecord.read(record.body).record?.type == .key
            else { throw EvidenceError.badKeyRecord(index: record.proof.index) }
        }
        let dated = proof.note.signatures.flatMap { line in
            cosignerKeys.filter { $0.isNamed(by: line) }.compactMap { key in
                (try? Cosignature(line)).map { DatedKey(key: key, time: $0.time) }
            }
        }
        let unknown = proof.note.signatures.count { line in
            // The log's key before, or the next one, signs beside it where one takes the place of the other.
            !KeyName.same(line.name, logKey.name) && !cosignerKeys.contains { $0.isNamed(by: line) }
        }
        return Finding(checkpoint: checkpoint, cosignatures: dated, unknownLines: unknown)
    }
}

extension RecordEvidence {
    /// Whether a key that the reader knows is the file's, or leads to it by changes of keys that the log itself records
    /// with the signatures of the key before and the one after.
    public func isVouched(for known: VerifierKey) -> Bool {
        let changes = keyRecords.compactMap { kept -> LogKeyChange? in
            guard let record = EntryRecord.read(kept.body).record.flatMap({ Records.KeyRecord($0) }),
                let origin = record.origin, let old = record.previousKey, let new = record.publicKey
            else { return nil }
            return LogKeyChange(index: kept.proof.index, origin: origin, old: old, new: new) { key in
                record.signatures.first { $0.keyID == SHA256.hash(key.publicKey.bytes) }?.bytes
            }
        }
        guard let size = try? Checkpoint(parsing: proof.note.text).size else { return known == logKey }
        return LogKeyChain(anchor: known, changes: changes).keys(at: size).contains(logKey)
    }
}

extension RecordEvidence {
    /// Whether a key that has cosigned is one of those that the reader knows, or, for the node whose log it is, one that
    /// records in the file lead to from those.
    public func isVouched(cosigner: VerifierKey, by known: [VerifierKey]) -> Bool {
        if known.contains(cosigner) { return true }
        guard cosigner.name == reference.origin.node.text else { return false }
        let said = keyRecords.compactMap { kept in
            EntryRecord.read(kept.body).record.flatMap { Records.KeyRecord($0) }
                .flatMap { PublishedKey($0, entry: kept.proof.index) }
        }.map { (reference.origin.text, $0) }
        return known.contains { key in
            key.algorithm == .cosignature && key.name == cosigner.name
                && MirrorKeys(key).led(by: said).all.contains(cosigner)
        }
    }
}

/// Why a file is no evidence of a record.
public enum EvidenceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or a member of its data is not of the format.
    case malformed(String)
    /// The proof is that of another record than the one named.
    case otherRecord
    case badKeyRecord(index: UInt64)

    public var description: String {
        switch self {
        case .malformed(let what): "no file of evidence: \(what)"
        case .otherRecord: "the proof is that of another record than the one named"
        case .badKeyRecord(let index): "entry \(index) is no record about a key under the same checkpoint"
        }
    }
}

// MARK: - Data

extension RecordEvidence {
    static let dataOpening = "<script type=\"application/json\" id=\"entente-evidence\">\n"
    static let dataClosing = "\n</script>\n"

    /// Whether a file says of itself that it is evidence of a record.
    public static func isEvidence(_ bytes: [UInt8]) -> Bool { format(of: bytes) != nil }

    private static func format(of bytes: [UInt8]) -> Format? {
        Format.allCases.first { bytes.starts(with: $0.opening.utf8) }
    }

    /// The data as JSON, without a character that HTML takes for its own.
    var data: String {
        let end = givenUpAt.map { [JSONMember("given_up_at", .integer(Int64(clamping: $0)))] } ?? []
        let value = JSONValue.object(
            [
                JSONMember("format", .string(format.rawValue)),
                JSONMember("ref", .string(reference.text)),
                JSONMember("body", .string(Base64.encode(body))),
                JSONMember("proof", .string(proof.serialized)),
                JSONMember("log_key", .string(logKey.text)),
                JSONMember("cosigner_keys", .array(cosignerKeys.map { .string($0.text) })),
                JSONMember(
                    "key_history",
                    .array(
                        keyRecords.map {
                            .object([
                                JSONMember("body", .string(Base64.encode($0.body))),
                                JSONMember("proof", .string($0.proof.serialized)),
                            ])
                        })),
                JSONMember("exported_by", .string(exporter)),
                JSONMember("exported", .string(exported.text)),
            ] + end)
        var text = ""
        for scalar in JSONWriter.text(value).unicodeScalars {
            switch scalar {
            // In JSON these stand in strings only.
            case "<": text += "\\u003c"
            case ">": text += "\\u003e"
            case "&": text += "\\u0026"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// Evidence from a file's bytes. What it says of itself is not checked yet; see ``verify(logKey:)``.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= RecordEvidence.maximumByteCount else {
            throw EvidenceError.malformed("longer than \(RecordEvidence.maximumByteCount) bytes")
        }
        guard let file = String(validating: bytes, as: UTF8.self) else { throw EvidenceError.malformed("not UTF-8") }
        guard let format = RecordEvidence.format(of: bytes) else {
            throw EvidenceError.malformed("it does not begin as one")
        }
        let parts = file.utf8.split(separatedBy: RecordEvidence.dataOpening.utf8)
        guard parts.count == 2, let end = parts[1].firstIndex(of: UInt8(ascii: "\n")),
            let data = String(parts[1][..<end])
        else { throw EvidenceError.malformed("it has no data, or several") }
        let value: JSONValue
        do {
            value = try JSONScanner.scan(text: data)
        } catch {
            throw EvidenceError.malformed("its data: \(error)")
        }
        func text(_ name: String, in value: JSONValue) throws -> String {
            guard let text = value[name]?.string else { throw EvidenceError.malformed("its data have no \(name)") }
            return text
        }
        func decoded(_ name: String, in value: JSONValue) throws -> [UInt8] {
            guard let bytes = Base64.decode(try text(name, in: value)) else {
                throw EvidenceError.malformed("\(name) is not base64")
            }
            return bytes
        }
        guard try text("format", in: value) == format.rawValue else {
            throw EvidenceError.malformed("its format")
        }
        guard let reference = Reference(try text("ref", in: value)) else { throw EvidenceError.malformed("its ref") }
        guard let exported = Timestamp(try text("exported", in: value)) else {
            throw EvidenceError.malformed("its time")
        }
        guard let keys = value["cosigner_keys"]?.array, let history = value["key_history"]?.array,
            keys.count <= SignedNote.maximumSignatures, history.count <= RecordEvidence.maximumKeyRecords
        else { throw EvidenceError.malformed("its lists of keys") }
        self.format = format
        self.reference = reference
        body = try decoded("body", in: value)
        proof = try TLogProof(parsing: text("proof", in: value))
        logKey = try VerifierKey(parsing: text("log_key", in: value))
        cosignerKeys = try keys.map { try VerifierKey(parsing: $0.string ?? "") }
        keyRecords = try history.map {
            KeyRecord(body: try decoded("body", in: $0), proof: try TLogProof(parsing: text("proof", in: $0)))
        }
        exporter = try text("exported_by", in: value)
        self.exported = exported
        if format == .third {
            guard let end = value["given_up_at"]?.integer.flatMap(UInt64.init(exactly:)), end <= reference.index else {
                throw EvidenceError.malformed("its given_up_at")
            }
            givenUpAt = end
        } else {
            givenUpAt = nil
        }
    }
}

extension String.UTF8View {
    fileprivate func split(separatedBy separator: String.UTF8View) -> [Substring.UTF8View] {
        let mark = Array(separator)
        var parts: [Substring.UTF8View] = []
        var rest = self[...]
        var index = rest.startIndex
        while index < rest.endIndex {
            guard rest[index] == mark[0], rest[index...].starts(with: mark) else {
                index = rest.index(after: index)
                continue
            }
            parts.append(rest[..<index])
            rest = rest[rest.index(index, offsetBy: mark.count)...]
            index = rest.startIndex
        }
        return parts + [rest]
    }
}
