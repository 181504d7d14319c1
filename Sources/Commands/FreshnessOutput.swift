import NodeService
import Records

// How views say how fresh a log is.
extension Freshness {
    var members: [JSONMember] {
        [
            JSONMember("dated", dated.map { .string(moment($0)) } ?? .null),
            JSONMember("freshness", .string(state.rawValue)),
        ]
    }

    /// `12 min ago`, with a word where it is more, or less, than fresh.
    var cell: String {
        let text = age.map { "\(Duration.words($0)) ago" } ?? "never"
        return word.map { "\(text), \($0)" } ?? text
    }

    /// `nil` where the state of the log says it, or the time alone does.
    private var word: String? {
        switch state {
        case .fresh, .frozen, .recovering, .ended: nil
        case .quiet: "quiet"
        case .catchingUp: "catching up"
        case .undated: isAlarm ? "STALE" : nil
        case .silent: isAlarm ? "SILENT" : "not heard yet"
        case .stalled: "STALLED"
        }
    }
}
