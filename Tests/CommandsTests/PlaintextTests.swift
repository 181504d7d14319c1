import Foundation
import Glibc
import Testing

/// A sealed value is in memory only while it is typed, sealed or shown, and nowhere else: looked for with the real
/// program, everywhere it could be left.
@Suite(.serialized) struct PlaintextTests {
    /// What is looked for: the value as it is, as search spells it, and encoded.
    private struct Marker {
        let text: String
        let forms: [Data]

        init() {
            let text = "Kestrel\(UUID().uuidString.prefix(13)) Ltd"
            self.text = text
            let normalised = text.lowercased().replacingOccurrences(of: "-", with: " ")
            // Base64 of the bytes at each of the three offsets, without the ends that depend on the neighbours.
            let encoded = (0..<3).map { offset in
                let padded = Data(repeating: 0, count: offset) + Data(text.utf8)
                return String(padded.base64EncodedString().dropFirst(4).dropLast(4))
            }
            let hex = text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            forms = ([text, text.lowercased(), normalised, hex] + encoded).map { Data($0.utf8) }
        }

        func stands(in data: Data) -> Bool { forms.contains { MemoryImage.stands([UInt8]($0), in: data) } }
        func stands(in text: String) -> Bool { stands(in: Data(text.utf8)) }
    }

    private func expectNone(
        of marker: Marker, under path: String, except: Set<String> = [],
        at location: SourceLocation = #_sourceLocation
    ) throws {
        var count = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) where !except.contains(name) {
            guard let data = FileManager.default.contents(atPath: "\(path)/\(name)") else { continue }
            count += 1
            #expect(!marker.stands(in: data), "\(path)/\(name)", sourceLocation: location)
            #expect(!marker.stands(in: name), "\(path)/\(name)", sourceLocation: location)
        }
        #expect(count > 0, sourceLocation: location)
    }

    /// Starts `run` with all that it logs going to a file.
    private func serve(_ place: Place, _ node: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Entente.path)
        process.arguments = ["--home", "\(place.path)/\(node)", "run", "--json", "--verbose"]
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no"]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        let log = "\(place.path)/\(node).log"
        #expect(FileManager.default.createFile(atPath: log, contents: nil))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        try process.run()
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).contains("listening"))
        return process
    }

    /// What a process may read and write, as far as it lets itself be read.
    private func memory(of process: Process) -> [MemoryImage.Region] {
        MemoryImage(of: process)?.regions.filter(\.isWritable) ?? []
    }

    @Test func theSearchItselfFindsWhatIsThere() throws {
        let marker = Marker()
        for prefix in ["", "a", "ab", "abc"] {
            let data = Data("\(prefix)\(marker.text)xyz".utf8)
            #expect(marker.stands(in: data))
            #expect(marker.stands(in: data.base64EncodedString()))
        }
        #expect(!marker.stands(in: Marker().text))
        let place = try Place()
        try place.found("us")
        let regions = memory(of: try place.serve("us"))
        // A process that may not be read has no regions to look at.
        #expect(regions.isEmpty || regions.contains { $0.contains(Array("us.example".utf8)) })
    }

    @Test func aSealedValueIsLeftNowhere() throws {
        let marker = Marker()
        let started = Date()
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let running = try ["us", "kr", "jp"].map { try serve(place, $0) }
        defer {
            for process in running {
                process.terminate()
                process.waitUntilExit()
            }
        }

        // By a file on the command line, with the process watched while it waits.
        let secret = try place.file("secret.txt", marker.text + "\n")
        let (submitting, output, errors) = try Entente.start([
            "--home", "\(place.path)/us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(secret)",
            "--field",
            "case_number=@\(secret)", "--to", "kr.example", "--wait", "kr.example", "--json",
        ])
        for name in ["cmdline", "environ"] {
            let data = FileManager.default.contents(atPath: "/proc/\(submitting.processIdentifier)/\(name)") ?? Data()
            #expect(!marker.stands(in: data))
        }
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(!marker.stands(in: said))
        #expect(!marker.stands(in: errors.fileHandleForReading.readDataToEndOfFile()))
        submitting.waitUntilExit()
        #expect(submitting.terminationStatus == 0)
        let line = try #require(JSONSerialization.jsonObject(with: Data(said.utf8)) as? [String: Any])
        let reference = try #require(line["ref"] as? String)

        // Good and bad rows by import, a search and a view: all that handles the value.
        let good =
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"y","victim":"\#(marker.text)"}"#
        let rows = [good, good.replacingOccurrences(of: "0x098b", with: "0x098B"), "\(marker.text) is no record"]
        let file = try place.file("rows.jsonl", rows.joined(separator: "\n") + "\n")
        let imported = try place.must("us", "import", file, "--to", "kr.example", "--json")
        #expect(imported.objects.first?["quarantined"] as? Int == 2)
        #expect(!marker.stands(in: imported.output) && !marker.stands(in: imported.errors))
        let strict = try place.run("us", "submit", "--file", file)
        #expect(strict.status == 65)
        #expect(!marker.stands(in: strict.output) && !marker.stands(in: strict.errors), "\(strict.errors)")
        #expect(try Entente.waits { try place.size(of: "us.example/krus", at: "kr") >= 5 })
        let found = try place.must("kr", "search", "--sealed", "victim=@\(secret)", "--json").objects
        #expect(found.contains { $0["ref"] as? String == reference })
        let shown = try place.must("kr", "show", reference).output
        #expect(marker.stands(in: shown))
        #expect(try !marker.stands(in: place.must("jp", "show", reference).output))

        // While the nodes run, so with their write-ahead logs; and in what they logged.
        for node in ["us", "kr", "jp"] {
            #expect(FileManager.default.fileExists(atPath: "\(place.path)/\(node)/node.sqlite-wal"))
        }
        try expectNone(of: marker, under: place.path, except: ["secret.txt", "rows.jsonl"])
        // Running nodes pass envelopes on and open none.
        for process in running {
            for region in memory(of: process) { #expect(!marker.stands(in: region.bytes)) }
            for name in ["cmdline", "environ"] {
                let data = FileManager.default.contents(atPath: "/proc/\(process.processIdentifier)/\(name)") ?? Data()
                #expect(!marker.stands(in: data))
            }
        }
        for process in running {
            process.terminate()
            process.waitUntilExit()
        }
        try expectNone(of: marker, under: place.path, except: ["secret.txt", "rows.jsonl"])
        try expectNoneInTemporaryFolders(of: marker, besides: place.path, since: started)
    }

    /// Files that anybody made in the usual places since the test began.
    private func expectNoneInTemporaryFolders(of marker: Marker, besides place: String, since: Date) throws {
        for folder in Set(["/tmp", "/var/tmp", "/dev/shm", NSTemporaryDirectory()]) {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                let path = (folder.hasSuffix("/") ? folder : folder + "/") + name
                guard path != place, let attributes = try? FileManager.default.attributesOfItem(atPath: path),
                    attributes[.type] as? FileAttributeType == .typeRegular,
                    (attributes[.modificationDate] as? Date).map({ $0 >= since.addingTimeInterval(-1) }) == true,
                    (attributes[.size] as? Int ?? 0) < 64 << 20,
                    let data = FileManager.default.contents(atPath: path)
                else { continue }
                #expect(!marker.stands(in: data), "\(path)")
            }
        }
    }
}
