import Cryptography
import Glibc
public import Home
public import LogStore
public import Records
import Sealing

// What an author does with a sealed part after its record is written: open it to further nodes, have it erased.

extension Node {
    /// Refuses readers that sealed fields cannot be sealed to, all in one line that says who may be named.
    public func checkReaders(_ names: [String], in community: CommunityConfiguration) throws {
        let keys = try sealingKeys()
        let strangers = names.filter { !community.members.contains($0) }
        let keyless = names.filter { community.members.contains($0) && keys[$0] == nil }
        guard !(strangers.isEmpty && keyless.isEmpty) else { return }
        let possible = community.members.filter { keys[$0] != nil && $0 != name }.sorted()
        let hint = possible.isEmpty ? "there is nobody to name yet" : "name \(possible.joined(separator: ", "))"
        func list(_ names: [String]) -> String { Set(names).sorted().joined(separator: ", ") }
        var reasons: [String] = []
        if !strangers.isEmpty {
            let what = Set(strangers).count == 1 ? "is no member" : "are no members"
            reasons.append("--to \(list(strangers)) \(what) of \(community.name)")
        }
        if !keyless.isEmpty {
            reasons.append(
                "no sealing key of \(list(keyless)) is known here; see `entente peer add`")
        }
        throw HomeError(.usage, reasons.joined(separator: "; ") + "; \(hint)")
    }

    /// The body of the record that opens a sealed record of the own log to further nodes.
    public func grantRecord(
        of target: RecordTarget, to names: [String], in community: CommunityConfiguration, author: String,
        time: Timestamp
    ) throws -> [UInt8] {
        try checkReaders(names, in: community)
        let sealed = try ownSealedRecord(target, in: community, deed: Node.granting)
        try checkNotErased(sealed)
        guard let blob = try sealed.blob() else {
            throw HomeError(
                .noInput, "the sealed part of \(sealed.reference) is not here; `entente scrub --repair` asks partners")
        }
        try requireKey(of: sealed)
        try checkDelivery(of: sealed, to: names, in: community)
        let recipients = try newReaders(of: sealed, among: names, in: community)
        guard var draft = RecordDraft(type: .grant, time: time, author: author, tlp: .green) else {
            throw HomeError(.configuration, "grant records are not known")
        }
        try draft.set("target", to: target.value)
        try sealed.opener.note(.grant, sealed)
        for (name, value) in try sealed.grant(to: recipients, blob).members { try draft.set(name, to: value) }
        return try bodyInClear(of: draft, in: community)
    }

    /// Throws where the sealed part was erased, or opened to one of these nodes, since a grant for them was made.
    public func checkGrant(
        of target: RecordTarget, to names: [String], in community: CommunityConfiguration
    ) throws {
        let sealed = try ownSealedRecord(target, in: community, deed: Node.granting)
        try checkNotErased(sealed)
        _ = try newReaders(of: sealed, among: names, in: community)
    }

    private static let granting = "opens it to others"

    private func checkNotErased(_ sealed: SealedRecord) throws {
        guard let erasure = try sealed.erasure() else { return }
        throw HomeError(
            .noInput, "the sealed part of \(sealed.reference) was erased by \(try reference(of: erasure.record))")
    }

    /// Those of these nodes that it is not open to yet, under the keys that they have now.
    private func newReaders(
        of sealed: SealedRecord, among names: [String], in community: CommunityConfiguration
    ) throws -> [SealingRecipient] {
        let keys = try sealingKeys()
        let boxed = Set(
            sealed.header.recipients.map { Opening(node: $0.node.text, keyID: $0.keyID.bytes) }
                + (try sealed.grants(in: SHA256.hash(origin(of: community.name))).flatMap(\.recipients)
                    .map { Opening(node: $0.node, keyID: $0.keyID) }))
        let recipients = Set(names).sorted().compactMap { name in
            keys[name].map { SealingRecipient(node: name, key: $0) }
        }.filter { !boxed.contains(Opening(node: $0.node, keyID: $0.keyID)) }
        guard !recipients.isEmpty else {
            throw HomeError(.exists, "\(sealed.reference) is open to \(names.joined(separator: ", ")) already")
        }
        return recipients
    }

    /// The body of a record of which nothing can be sealed. Throws ``SealingRefusal`` where node.yaml forbids something
    /// in it in the open.
    private func bodyInClear(of draft: RecordDraft, in community: CommunityConfiguration) throws -> [UInt8] {
        _ = try writer(community: community.name).policy.decision(on: draft)
        return try draft.body()
    }

    /// Refuses to open to others what nothing opens here.
    private func requireKey(of sealed: SealedRecord) throws {
        switch try sealed.lostKeys() {
        case .destroyed(let epochs):
            let epoch = epochs.map(String.init).joined(separator: ", ")
            throw HomeError(
                .noInput,
                "this node's key that \(sealed.reference) is sealed to (epoch \(epoch)) was destroyed, so nobody can open it "
                    + "to more readers; those who can read it still do, and for others it has to be submitted anew")
        case .missing:
            throw HomeError(
                .noInput,
                "this node's key that \(sealed.reference) is sealed to is not in keys/, and without it nobody can open it to "
                    + "more readers; put it back from a backup of keys/")
        case nil: break
        }
    }

    /// Refuses a grant that nobody could follow: a log that was given up goes to its last members alone, and one that
    /// forked to nobody.
    private func checkDelivery(of sealed: SealedRecord, to names: [String], in community: CommunityConfiguration) throws
    {
        guard sealed.log.origin != origin(of: community.name) else { return }
        let advice = "submit the record again in \(origin(of: community.name))"
        if sealed.log.frozen != nil {
            throw HomeError(
                .notPermitted, "\(sealed.log.origin) forked, and nothing of it is sent to anybody any more; \(advice)")
        }
        let members = try store.membership(of: sealed.log.id)?.members ?? []
        let strangers = Set(names).subtracting(members).sorted()
        guard strangers.isEmpty else {
            throw HomeError(
                .notPermitted,
                "\(strangers.joined(separator: ", ")) may not hold \(sealed.log.origin), which was given up before; \(advice)"
            )
        }
    }

    private struct Opening: Hashable {
        let node: String
        let keyID: [UInt8]
    }

    /// The body of the record that has the sealed part of a record of the own log erased.
    public func erasureRecord(
        of target: RecordTarget, in community: CommunityConfiguration, reason: String?, author: String, time: Timestamp
    ) throws -> [UInt8] {
        let sealed = try erasable(target, in: community)
        guard var draft = RecordDraft(type: .erasure, time: time, author: author, tlp: .green) else {
            throw HomeError(.configuration, "erasure records are not known")
        }
        try draft.set("target", to: target.value)
        try draft.set("sha256", to: .string(sealed.header.sha256.hex))
        if let reason { try draft.set("reason", to: .string(reason)) }
        return try bodyInClear(of: draft, in: community)
    }

    /// Throws where this node's log asks for the erasure already: another command was faster.
    public func checkErasure(of target: RecordTarget, in community: CommunityConfiguration) throws {
        _ = try erasable(target, in: community)
    }

    private func erasable(_ target: RecordTarget, in community: CommunityConfiguration) throws -> SealedRecord {
        let sealed = try ownSealedRecord(target, in: community, deed: "has it erased")
        // One in a log that was given up may never have come to all: it is said again.
        if let erasure = try sealed.erasure(), erasure.record.log == SHA256.hash(origin(of: community.name)) {
            throw HomeError(
                .exists,
                "the sealed part of \(sealed.reference) was erased already, by \(try reference(of: erasure.record))")
        }
        return sealed
    }

    /// Takes what was erased out of the index of sealed values too, where there is one; the next search would.
    public func forgetErasedValues() throws {
        guard access(home.indexDatabase, F_OK) == 0, try store.last(.erasure) != nil else { return }
        try index().forgetErased()
    }

    /// A record's place as people write it.
    public func reference(of position: RecordPosition) throws -> String {
        "\(try store.log(id: position.log)?.origin ?? position.log.hex)#\(position.index)"
    }

    /// The record that this node wrote: in the log that it writes now, or in one before it.
    private func ownSealedRecord(
        _ target: RecordTarget, in community: CommunityConfiguration, deed: String
    ) throws -> SealedRecord {
        let reference = target.reference
        guard LogOrigin(origin(of: community.name))?.speaks(for: reference.origin) == true else {
            throw HomeError(
                .notPermitted,
                "\(reference.text) is not in \(origin(of: community.name)); only who wrote a record \(deed)")
        }
        guard let log = try store.log(reference.origin.text),
            let body = try store.soundBody(of: log, at: reference.index)
        else { throw HomeError(.noInput, "no record \(reference.text) here") }
        guard let record = EntryRecord.read(body).record, let header = record.sealed else {
            throw HomeError(.usage, "nothing in \(reference.text) is sealed")
        }
        return SealedRecord(
            opener: SealedOpener(node: self), log: log, index: reference.index, type: record.type, header: header,
            body: body)
    }
}
