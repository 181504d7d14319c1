import LogStore
import NodeService
import Records

// How views say who holds what.

extension Delivery.OfRecord {
    /// The members of `show --json` about delivery.
    var members: [JSONMember] {
        [
            JSONMember("held_by", .array(holders.map { .string($0.node) })),
            JSONMember("holders", .array(holders.map(\.value))),
            JSONMember("sealed_held_by", .array(sealedHolders.map { .string($0.node) })),
            JSONMember("sealed_holders", .array(sealedHolders.map(\.value))),
            JSONMember("pending", .array(missing.map(\.value))),
            JSONMember("granted", list(granted)), JSONMember("void_grants", list(void)),
            JSONMember(
                "erased",
                erasure.map { erasure in
                    .object([
                        JSONMember("by", .string(erasure.by.reference)),
                        JSONMember("beyond_owner", .bool(erasure.by.isBeyondOwner)),
                        JSONMember("confirmed_by", .array(erasure.confirmed.map(\.value))),
                    ])
                } ?? .null),
        ]
    }

    private func list(_ grants: [(node: String, by: Delivery.Entry)]) -> JSONValue {
        .array(
            grants.map {
                .object([
                    JSONMember("node", .string($0.node)), JSONMember("by", .string($0.by.reference)),
                    JSONMember("beyond_owner", .bool($0.by.isBeyondOwner)),
                ])
            })
    }

    var lines: [String] {
        var lines = holders.map { "held by \($0.node) since \(moment($0.time))" }
        if holders.isEmpty { lines.append("held by this node alone, as far as it knows") }
        lines += granted.map { "sealed part opened to \($0.node) by \($0.by.text)" }
        lines += void.map {
            "grant to \($0.node) by \($0.by.reference) has no effect: it names another record than this one"
                + beyondOwnerMark($0.by.isBeyondOwner)
        }
        if let erasure {
            lines.append("sealed part erased by \(erasure.by.text)")
            lines += erasure.confirmed.map { "erasure confirmed by \($0.node) since \(moment($0.time))" }
        } else {
            lines += sealedHolders.map { "sealed part held by \($0.node) since \(moment($0.time))" }
        }
        return lines
            + missing.map { missing in
                let what =
                    switch missing.part {
                    case .record: "not yet held"
                    case .sealed: "sealed part not yet held"
                    case .erasure: "erasure not yet confirmed"
                    }
                let path = missing.obstacle.endsEveryPath ? Style.yellow("no path: ") : ""
                return "\(what) by \(missing.node): \(path)\(printable(missing.reason))"
            }
    }
}

extension Delivery.Holder {
    var value: JSONValue {
        .object([
            JSONMember("node", .string(node)), JSONMember("since", .string(moment(time))),
        ])
    }
}

extension Delivery.Missing {
    var value: JSONValue {
        .object([
            JSONMember("node", .string(node)), JSONMember("part", .string(part.rawValue)),
            JSONMember("reason", .string(reason)), JSONMember("path", .bool(!obstacle.endsEveryPath)),
        ])
    }
}

extension Delivery.OfMember {
    func value(now: UInt64) -> JSONValue {
        .object([
            JSONMember("node", .string(node)), JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember("time", time.map { .string(moment($0)) } ?? .null),
            JSONMember("lag_entries", .integer(Int64(clamping: lagEntries))),
            JSONMember("lag_seconds", lagSeconds.map { .integer(Int64(clamping: $0)) } ?? .null),
            JSONMember("reason", obstacle.map { .string($0.text(now: now)) } ?? .null),
            JSONMember("path", .bool(obstacle?.endsEveryPath != true)),
        ])
    }

    /// `kr.example`, or how far it is behind.
    var cell: String {
        guard lagEntries > 0 else { return node }
        if size == 0 { return "\(node) (nothing yet)" }
        return "\(node) (\(behind(lagEntries, lagSeconds)))"
    }
}

extension Delivery.OfPeer {
    func value(now: UInt64) -> JSONValue {
        .object([
            JSONMember("node", .string(node)), JSONMember("endpoint", endpoint.map { .string($0) } ?? .null),
            JSONMember("communities", .array(communities.map { .string($0) })),
            JSONMember("last_heard", (contact?.lastHeard).map { .string(moment($0)) } ?? .null),
            JSONMember("last_error", (contact?.currentError).map { .string($0) } ?? .null),
            JSONMember(
                "last_error_time",
                contact?.currentError == nil ? .null : (contact?.lastErrorTime).map { .string(moment($0)) } ?? .null),
            JSONMember("lag_entries", .integer(Int64(clamping: lagEntries))),
            JSONMember("lag_seconds", lagSeconds.map { .integer(Int64(clamping: $0)) } ?? .null),
        ])
    }

    func heard(now: UInt64) -> String {
        guard let time = contact?.lastHeard else { return "never" }
        return "\(Duration.words(now > time ? now - time : 0)) ago"
    }

    var lag: String { lagEntries == 0 ? "-" : behind(lagEntries, lagSeconds) }
}

/// `12 entries, 3 min behind`.
private func behind(_ entries: UInt64, _ seconds: UInt64?) -> String {
    let time = seconds.map { ", \(Duration.words($0))" } ?? ""
    return "\(grouped(entries)) \(entries == 1 ? "entry" : "entries")\(time) behind"
}

/// Unix seconds as records write a moment.
func moment(_ seconds: UInt64) -> String {
    Clock.moment(seconds)
}
