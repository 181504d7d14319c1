import Glibc
import Synchronization

/// A bar with rate and time left on a terminal; nothing in a pipe.
final class ProgressBar: Sendable {
    private struct State {
        var done: UInt64 = 0
        var total: UInt64 = 0
        var first: UInt64?
        var lastDrawn: ContinuousClock.Instant?
        var isShown = false
    }

    private let title: String
    private let unit: String
    private let begin = ContinuousClock.now
    private let state = Mutex(State())
    private let isEnabled: Bool

    init(_ title: String, unit: String = "records", isQuiet: Bool = false) {
        self.title = title
        self.unit = unit
        isEnabled = Output.isErrorTerminal && !isQuiet
    }

    func update(_ done: UInt64, of total: UInt64) {
        guard isEnabled else { return }
        let now = ContinuousClock.now
        let line = state.withLock { state -> String? in
            state.done = done
            state.total = total
            if state.first == nil { state.first = done }
            if let last = state.lastDrawn, now - last < .milliseconds(100), done < total { return nil }
            state.lastDrawn = now
            state.isShown = true
            return draw(state, now)
        }
        if let line { Output.write(line, to: STDERR_FILENO) }
    }

    /// Clears the bar, so that what follows begins on an empty line.
    func finish() {
        let wasShown = state.withLock { state in
            defer { state.isShown = false }
            return state.isShown
        }
        if wasShown { Output.write("\r\u{1B}[K", to: STDERR_FILENO) }
    }

    private func draw(_ state: State, _ now: ContinuousClock.Instant) -> String {
        let share = state.total == 0 ? 1 : Double(state.done) / Double(state.total)
        let width = 24
        let filled = min(width, Int(share * Double(width)))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        let seconds = Double((now - begin) / .milliseconds(1)) / 1_000
        let rate = seconds > 0 ? Double(state.done - min(state.done, state.first ?? 0)) / seconds : 0
        // Nothing is said of what the first line cannot know.
        let pace =
            rate > 0
            ? "  \(grouped(Int(rate)))/s  \(Int(Double(state.total - min(state.total, state.done)) / rate)) s left" : ""
        let percent = Int(share * 100)
        return
            "\r\u{1B}[K\(title) \(bar) \(percent)%  \(grouped(state.done)) of \(grouped(state.total)) \(unit)\(pace)"
    }
}

/// One line that is written over while something is waited for, on a terminal; nothing in a pipe.
final class ProgressLine {
    private var last = ""

    func show(_ text: String) {
        guard Output.isErrorTerminal, text != last else { return }
        last = text
        Output.write("\r\u{1B}[K\(text)", to: STDERR_FILENO)
    }

    func finish() {
        if !last.isEmpty { Output.write("\r\u{1B}[K", to: STDERR_FILENO) }
    }
}
