import Cryptography
import Records
import TransparencyLog

extension RecordEvidence {
    /// The file: a page that follows from the data alone, with the data in it.
    public var serialized: String {
        let title = "Record \(reference.text)"
        return format.opening + """
            <html lang="en"><head><meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(Markup.text(title))</title>
            <style>
            body{font:16px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em;color:#111;background:#fff}
            th{text-align:left;vertical-align:top;padding-right:1em;white-space:nowrap}
            td,code,pre{font-family:monospace;overflow-wrap:anywhere;white-space:pre-wrap}
            </style></head><body>
            <h1>\(Markup.text(title))</h1>
            <p>This page shows what the data at its end say. A page proves nothing by itself: check the file as described
            under “How to verify”, with keys that you have from somewhere else.</p>
            \(ownerWarning)<h2>What the record says</h2>
            \(Markup.table(recordRows))
            <h2>Where it stands</h2>
            \(Markup.table(placeRows))
            <h2>\(cosignerHeading)</h2>
            \(Markup.table(cosignerRows))
            <h2>Keys</h2>
            \(Markup.table(keyRows))
            <h2>What the log says of keys</h2>
            \(Markup.table(historyRows))
            <h2>How to verify</h2>
            <p>Compare the keys above with the peer cards that the agencies have given you, or ask them. Then:</p>
            <pre>entente verify FILE --vkey LOG_KEY --vkey COSIGNER_KEY…</pre>
            <p>Without this program: the data are one JSON object, on the line behind the tag
            <code>script id="entente-evidence"</code>. Its <code>body</code> (base64) is the record, byte for byte. Its
            <code>proof</code> is a C2SP tlog-proof: SHA-256 of a zero byte and the body is the leaf hash; with the
            hashes of the proof it leads (RFC 6962) to the root of the checkpoint in it, a C2SP signed note: three lines,
            an empty line, signatures. That of the log is Ed25519 over the three lines. A cosignature has eight bytes of
            time before its signature, which is over <code>cosignature/v1</code>, <code>time SECONDS</code> and the three
            lines. docs/examples/check_evidence.py in the sources of Entente does this in about 100 lines.</p>
            <p>It proves that the holder of the log key signed this record at this place, that it has not been changed
            since, and that each cosigner \(cosignerDeed) It does not prove that
            what the record says is true, nor that there is no later record that withdraws it. Sealed fields are not in
            this file.</p>
            <p>Written by \(Markup.text(exporter)) at \(Markup.text(exported.text)); nothing proves that.</p>

            """ + RecordEvidence.dataOpening + data + RecordEvidence.dataClosing + "</body></html>\n"
    }

    /// Empty where the record is its owner's, as far as the exporting node knows.
    private var ownerWarning: String {
        guard let givenUpAt else { return "" }
        let owner = Markup.text(reference.origin.node.text)
        return """
            <p><strong>Not the word of \(owner): \(Markup.text(exporter)) knows from the log's successor that \(owner) had
            given this log up at \(givenUpAt) entries, as when its key is stolen. Somebody else has signed this record
            with that key. Ask \(owner).</strong></p>

            """
    }

    private var recordRows: [(String, String)] {
        guard let value = try? JSONScanner.scan(body) else { return [("unreadable", "its bytes are no I-JSON")] }
        return RecordEvidence.rows(of: value, path: "")
    }

    /// One row a value, with its path.
    private static func rows(of value: JSONValue, path: String) -> [(String, String)] {
        switch value {
        case .object(let members):
            members.flatMap { rows(of: $0.value, path: path.isEmpty ? $0.name : "\(path).\($0.name)") }
        case .array(let items) where items.contains { $0.object != nil || $0.array != nil }:
            items.enumerated().flatMap { rows(of: $1, path: "\(path).\($0)") }
        case .array(let items): [(path, items.map { $0.string ?? JSONWriter.text($0) }.joined(separator: ", "))]
        default: [(path, value.string ?? JSONWriter.text(value))]
        }
    }

    private var placeRows: [(String, String)] {
        let checkpoint = try? Checkpoint(parsing: proof.note.text)
        return [
            ("log", reference.origin.text), ("index", "\(proof.index)"),
            ("leaf hash", MerkleHasher().leaf(body).hex),
            ("entries under the checkpoint", checkpoint.map { "\($0.size)" } ?? "-"),
            ("root", checkpoint?.root.base64 ?? "-"),
        ]
    }

    private var cosignerHeading: String {
        switch format {
        case .first: "Who has said to hold the log up to there"
        case .second, .third: "Who has cosigned the log up to there"
        }
    }

    private var cosignerDeed: String {
        switch format {
        case .first: "had the log up to there by the time of its cosignature."
        case .second, .third:
            """
            had seen this state of the log by the time of its cosignature,
            and that it goes on from what it had seen before. By its mirror key a partner says besides that it held every
            record up to there; the key of a witness says nothing of that. Ask its owner which of them a key is.
            """
        }
    }

    private var cosignerRows: [(String, String)] {
        proof.note.signatures.filter { line in
            switch format {
            case .first: !logKey.isNamed(by: line)
            // The log's key before, or the next one, signs beside it where one takes the place of the other.
            case .second, .third: !KeyName.same(line.name, logKey.name)
            }
        }.map { line in
            let time = (try? Cosignature(line)).map { Node.instant($0.time) } ?? "an unreadable time"
            let isKnown = cosignerKeys.contains { $0.isNamed(by: line) }
            return (line.name, time + (isKnown ? "" : " (its key is not in this file)"))
        }
    }

    private var keyRows: [(String, String)] {
        [("the log", logKey.text)] + cosignerKeys.map { ("cosigner", $0.text) }
    }

    private var historyRows: [(String, String)] {
        keyRecords.map { record in
            let value = try? JSONScanner.scan(record.body)
            let words = ["time", "role", "action", "public_key"].compactMap { value?[$0]?.string }
            return ("#\(record.proof.index)", words.joined(separator: ", "))
        }
    }
}

/// Text in HTML. Characters that could turn a line around or hide something are replaced.
private enum Markup {
    static func text(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\n": escaped += "\n"
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate:
                    escaped += "\u{FFFD}"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
        }
        return escaped
    }

    static func table(_ rows: [(String, String)]) -> String {
        guard !rows.isEmpty else { return "<p>Nothing.</p>" }
        return "<table>"
            + rows.map { "<tr><th>\(text($0))</th><td>\(text($1))</td></tr>" }.joined(separator: "\n") + "</table>"
    }
}
