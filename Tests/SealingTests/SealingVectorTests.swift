import Cryptography
import Foundation
import Sealing
import Testing

/// Serialized: with UPDATE_VECTORS=1 the first test writes the file that the others read.
@Suite(.serialized) struct SealingVectorTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test(.enabled(if: environment["UPDATE_VECTORS"] == "1", "UPDATE_VECTORS=1 writes docs/sealing-vectors.json anew"))
    func writeVectors() throws {
        try SealingVectors.make().write()
    }

    @Test func sealingGivesThePublishedBytes() throws {
        for vector in try SealingVectors.read().envelopes {
            let keys = try SealingKeys(dataKey: secret(vector.dataKey))
            let header = try vector.header.header()
            let sealed = try Envelope.seal(
                fields: vector.fields.map { try SealedField(name: $0.name, text: $0.value) }, origin: vector.origin,
                recordType: vector.recordType, boxes: vector.boxes.map { try $0.boxed() }, dataKey: keys.dataKey,
                salt: header.salt, nonces: vector.fields.map { try bytes($0.nonce) })
            #expect(Hexadecimal.encode(sealed.blob) == vector.blob)
            #expect(sealed.header == header)
            #expect(hex(keys.commitmentKey) == vector.commitmentKey)
            for (position, field) in vector.fields.enumerated() {
                #expect(hex(try keys.fieldKey(at: position)) == field.key)
                let data = SealingKeys.associatedData(
                    origin: vector.origin, salt: header.salt, recordType: vector.recordType, field: field.name)
                #expect(Hexadecimal.encode(data) == field.associatedData)
            }
        }
    }

    @Test func everyReaderOpensThePublishedEnvelopes() throws {
        for vector in try SealingVectors.read().envelopes {
            for reader in vector.readers {
                let fields = try Envelope.open(
                    blob: bytes(vector.blob), header: vector.header.header(), origin: vector.origin,
                    recordType: vector.recordType, as: reader.node, keys: [reader.key()])
                #expect(fields.map(\.name) == vector.fields.map(\.name))
                #expect(fields.map(\.text) == vector.fields.map(\.value))
            }
        }
    }

    @Test func publishedGrantsComeOutAsStated() throws {
        let vectors = try SealingVectors.read()
        for vector in vectors.grants {
            let original = try #require(vectors.envelopes.first { $0.name == vector.envelope })
            let grant = try vector.grant()
            for reader in vector.readers {
                let outcome = try self.outcome {
                    let fields = try grant.open(
                        blob: bytes(original.blob), header: original.header.header(), origin: original.origin,
                        recordType: original.recordType, reference: grant.reference, leafHash: grant.leafHash,
                        as: reader.node, keys: [reader.key()])
                    #expect(fields.map(\.text) == original.fields.map(\.value))
                }
                #expect(outcome == vector.outcome, "\(vector.name)")
            }
        }
    }

    @Test func publishedForgeriesAreRefused() throws {
        for vector in try SealingVectors.read().refused {
            let outcome = try self.outcome {
                _ = try Envelope.open(
                    blob: bytes(vector.blob), header: vector.header.header(), origin: vector.origin,
                    recordType: vector.recordType, as: vector.reader.node, keys: [vector.reader.key()])
            }
            #expect(outcome == vector.outcome, "\(vector.name)")
        }
    }

    private func outcome(_ body: () throws -> Void) throws -> String {
        do {
            try body()
            return "opened"
        } catch let error as SealingError {
            return error.checkName
        }
    }

    /// The Python that has PyNaCl: `ENTENTE_PYTHON`, or else python3 on the path.
    private static let python = environment["ENTENTE_PYTHON"] ?? "python3"

    private static let hasPyNaCl: Bool = (try? run(["-c", "import nacl.bindings"]))?.status == 0

    @Test(.enabled(if: hasPyNaCl, "needs python3 with PyNaCl (pip install pynacl; ENTENTE_PYTHON names another one)"))
    func anOpenerInAnotherLanguageComesToTheSameAnswers() throws {
        let script = SealingVectors.docs.appending(path: "examples/open_sealed.py").path
        let result = try Self.run([script, "vectors", SealingVectors.file.path])
        #expect(result.status == 0, "\(result.output)")
        let vectors = try SealingVectors.read()
        let count =
            vectors.envelopes.reduce(0) { $0 + $1.readers.count } + vectors.grants.count + vectors.refused.count
        #expect(result.output.contains("\(count) as published, 0 not"))
    }

    /// An opener that leaves out one check, whichever that is, does not come to the published answers.
    @Test(.enabled(if: hasPyNaCl, "needs python3 with PyNaCl (pip install pynacl; ENTENTE_PYTHON names another one)"))
    func theAnswersNoticeEachCheckThatAnOpenerLeavesOut() throws {
        let script = SealingVectors.docs.appending(path: "examples/open_sealed.py")
        let lines = try String(contentsOf: script, encoding: .utf8).components(separatedBy: "\n")
        let end = try #require(lines.firstIndex { $0.hasPrefix("class Keys") })
        let checks = lines[..<end].indices.filter {
            lines[$0].drop { $0 == " " }.hasPrefix("need(") && lines[$0].hasSuffix(")")
        }
        #expect(checks.count >= 20)
        let copy = FileManager.default.temporaryDirectory.appending(path: "open_sealed-\(UUID().uuidString).py")
        defer { try? FileManager.default.removeItem(at: copy) }
        for check in checks {
            var changed = lines
            changed[check] = String(lines[check].prefix { $0 == " " }) + "pass"
            try changed.joined(separator: "\n").write(to: copy, atomically: true, encoding: .utf8)
            let result = try Self.run([copy.path, "vectors", SealingVectors.file.path])
            #expect(result.status != 0, "nothing needs line \(check + 1): \(lines[check])")
        }
    }

    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
