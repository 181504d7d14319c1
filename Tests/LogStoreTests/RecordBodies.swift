import Cryptography
import LogStore
import Records

extension NewEntry {
    /// A record with a sealed part, and that part.
    static func sealed(_ bytes: [UInt8], to nodes: [String], note: String = "", doubleHash: UInt64 = 0) -> NewEntry {
        NewEntry(
            body: RecordBodies.sealed(bytes, to: nodes, note: note), doubleHash: doubleHash,
            blob: NewBlob(sha256: SHA256.hash(bytes), bytes: bytes))
    }
}

extension StoreFolder {
    /// The store of a node that writes a log, with these entries in it.
    func author(_ entries: [NewEntry] = []) throws -> SQLiteLogStore {
        let store = try open()
        try store.createOwn()
        if !entries.isEmpty { _ = try store.append(entries, to: origin, options: plainOptions) }
        return store
    }
}

/// Bodies of records, written by hand as other programs would write them.
enum RecordBodies {
    static func members(
        _ nodes: [String], carry: Bool = false, predecessor: (origin: String, size: Int, root: SHA256Digest)? = nil
    ) -> [UInt8] {
        let list = nodes.map { "\"\($0)\"" }.joined(separator: ",")
        let before = predecessor.map {
            #","predecessor":{"origin":"\#($0.origin)","root":"\#($0.root.hex)","size":\#($0.size)}"#
        }
        return [UInt8](
            #"{"v":1,"type":"members","members":[\#(list)]\#(carry ? #","carry_sealed":"members""# : "")\#(before ?? "")}"#
                .utf8)
    }

    static func sealed(_ blob: [UInt8], to nodes: [String], size: Int? = nil, note: String = "") -> [UInt8] {
        let key = String(repeating: "0", count: 64)
        let recipients = nodes.sorted().map { #"{"node":"\#($0)","key_id":"\#(key)"}"# }.joined(separator: ",")
        let salt = Base64.encode([UInt8](repeating: 0, count: 16))
        let commitment = Base64.encode([UInt8](repeating: 0, count: 32))
        let header =
            #"{"suite":"entente-seal/1","salt":"\#(salt)","recipients":[\#(recipients)],"fields":["note"],"#
            + #""size":\#(size ?? blob.count),"sha256":"\#(SHA256.hash(blob).hex)","commitment":"\#(commitment)"}"#
        return [UInt8](#"{"v":1,"type":"attribution","label":"\#(note)","sealed":\#(header)}"#.utf8)
    }

    static func attribution(
        chain: String = "eip155:1", address: String, label: String = "a label", time: String = "2026-03-01T00:00:00Z",
        more: String = ""
    ) -> [UInt8] {
        [UInt8](
            (#"{"v":1,"type":"attribution","time":"\#(time)","subject":{"chain":"\#(chain)","address":"\#(address)"},"#
                + #""label":"\#(label)"\#(more)}"#).utf8)
    }

    static func withdrawal(of target: String, supersedes: Bool = false, replacement: String? = nil) -> [UInt8] {
        let hash = String(repeating: "0", count: 64)
        let other = replacement.map { #","replacement":{"reference":"\#($0)","hash":"\#(hash)"}"# } ?? ""
        return [UInt8](
            (#"{"v":1,"type":"withdrawal","action":"\#(supersedes ? "supersedes" : "retracts")","#
                + #""target":{"reference":"\#(target)","hash":"\#(hash)"}\#(other)}"#).utf8)
    }

    static func erasure(of target: String, sha256: SHA256Digest) -> [UInt8] {
        let hash = String(repeating: "0", count: 64)
        return [UInt8](
            (#"{"v":1,"type":"erasure","target":{"reference":"\#(target)","hash":"\#(hash)"},"#
                + #""sha256":"\#(sha256.hex)"}"#).utf8)
    }

    static func grant(of target: String, hash: SHA256Digest, commitment: [UInt8], to node: String) -> [UInt8] {
        let key = String(repeating: "0", count: 64)
        let box = Base64.encode([UInt8](repeating: 0, count: 80))
        return [UInt8](
            (#"{"v":1,"type":"grant","target":{"reference":"\#(target)","hash":"\#(hash.hex)"},"#
                + #""original_commitment":"\#(Base64.encode(commitment))","#
                + #""recipients":[{"node":"\#(node)","key_id":"\#(key)","box":"\#(box)"}],"#
                + #""commitment":"\#(Base64.encode([UInt8](repeating: 0, count: 32)))"}"#).utf8)
    }

    static func assessment(of target: String, disputes: Bool = true) -> [UInt8] {
        let hash = String(repeating: "0", count: 64)
        return [UInt8](
            (#"{"v":1,"type":"assessment","verdict":"\#(disputes ? "disputes" : "corroborates")","#
                + #""target":{"reference":"\#(target)","hash":"\#(hash)"}}"#).utf8)
    }
}
