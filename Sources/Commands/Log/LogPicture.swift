import LogStore
import NodeService

/// How a log has grown, and how much later each node has cosigned it, as an SVG picture.
struct LogPicture {
    let origin: String
    /// By size.
    let past: [PastCheckpoint]

    private static let width = 900.0
    private static let left = 100.0
    private static let right = 870.0
    /// Told apart by most who see colours differently, on white; the second round of them is drawn as rings.
    private static let colours = [
        "#0072b2", "#d55e00", "#009e73", "#aa4499", "#b08900", "#332288", "#cc3311", "#555555",
    ]
    /// More points than this are drawn small.
    private static let many = 80
    /// Longer names are cut in the legend.
    private static let longestName = 60

    /// One part of the picture: a rectangle with both axes.
    private struct Panel {
        let top: Double
        let bottom: Double
        let maximum: Double

        func y(_ value: Double) -> Double { bottom - (maximum > 0 ? min(1, value / maximum) : 0) * (bottom - top) }
    }

    private struct Point {
        let time: UInt64
        let value: Double
    }

    /// When each checkpoint is known to have been there; a log does not go back in time, whatever its entries say.
    private var growth: [Point] {
        var last: UInt64 = 0
        return past.compactMap { past in
            guard let time = past.begin ?? past.cosigners.first?.time else { return nil }
            last = max(last, time)
            return Point(time: last, value: Double(past.head.size))
        }
    }

    private var lags: [String: [Point]] {
        var lags: [String: [Point]] = [:]
        for checkpoint in past {
            for cosigner in checkpoint.cosigners {
                guard let lag = cosigner.lag else { continue }
                lags[cosigner.node, default: []].append(Point(time: cosigner.time, value: Double(lag)))
            }
        }
        return lags
    }

    var svg: String {
        let growth = growth
        let lags = lags
        let names = lags.keys.sorted()
        let times = growth.map(\.time) + lags.values.joined().map(\.time)
        let begin = times.min() ?? 0
        let end = times.max() ?? 0
        func x(_ time: UInt64) -> String {
            let part = end > begin ? Double(time - begin) / Double(end - begin) : 0
            return LogPicture.number(LogPicture.left + part * (LogPicture.right - LogPicture.left))
        }
        let entries = Panel(top: 80, bottom: 300, maximum: growth.map(\.value).max() ?? 1)
        let lag = Panel(top: 360, bottom: 530, maximum: max(1, lags.values.joined().map(\.value).max() ?? 1))
        let legend = Legend(names, left: LogPicture.left, right: LogPicture.right, top: 590)
        let size = past.last?.head.size ?? 0

        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(LogPicture.number(LogPicture.width)) \
            \(LogPicture.number(legend.bottom))" font-family="sans-serif" font-size="12">
            <title>\(LogPicture.text(origin)): growth and cosignature lag</title>
            <rect width="100%" height="100%" fill="#ffffff"/>
            <text x="\(LogPicture.number(LogPicture.left))" y="30" font-size="16">\
            \(LogPicture.text(LogPicture.cut(origin, to: 80)))</text>
            <text x="\(LogPicture.number(LogPicture.left))" y="48" fill="#444444">\(groupedCount(size, "entry", "entries")), \
            \(groupedCount(past.count, "checkpoint", "checkpoints")) drawn; times are UTC</text>

            """
        out += axes(entries, title: "entries") { grouped(Int($0)) }
        out += axes(lag, title: "lag: from what is written to the cosignature of a partner") {
            Duration.words(UInt64($0))
        }
        // A log has as many entries as it had until it has more.
        if let first = growth.first {
            let steps = growth.map { "H\(x($0.time)) V\(LogPicture.number(entries.y($0.value)))" }
            out +=
                "<path d=\"M\(x(first.time)),\(LogPicture.number(entries.bottom)) \(steps.joined(separator: " ")) H\(x(end))\" "
                + "fill=\"none\" stroke=\"#222222\" stroke-width=\"1.5\"/>\n"
        }
        let small = growth.count > LogPicture.many
        for point in growth {
            out += mark(
                x(point.time), LogPicture.number(entries.y(point.value)), "#222222", radius: small ? 1 : 3,
                "\(groupedCount(Int(point.value), "entry", "entries")), \(moment(point.time))")
        }
        for (position, name) in names.enumerated() {
            for point in lags[name] ?? [] {
                out += mark(
                    x(point.time), LogPicture.number(lag.y(point.value)), LogPicture.colour(position),
                    radius: small ? 1.8 : 3, isRing: LogPicture.isRing(position),
                    "\(name), \(Duration.words(UInt64(point.value))), \(moment(point.time))")
            }
            let place = legend.place(position)
            out +=
                mark(
                    LogPicture.number(place.x), LogPicture.number(place.y - 4), LogPicture.colour(position), radius: 4,
                    isRing: LogPicture.isRing(position), name)
                + "<text x=\"\(LogPicture.number(place.x + 9))\" y=\"\(LogPicture.number(place.y))\">"
                + "\(LogPicture.text(LogPicture.cut(name, to: LogPicture.longestName)))</text>\n"
        }
        if names.isEmpty { out += label(LogPicture.left + 12, 450, "no partner has cosigned a checkpoint yet") }
        out += label(LogPicture.left, 550, times.isEmpty ? "nothing is dated" : moment(begin))
        if end > begin { out += label(LogPicture.right, 550, moment(end), isAtEnd: true) }
        return out + "</svg>\n"
    }

    private func label(_ x: Double, _ y: Double, _ text: String, isAtEnd: Bool = false) -> String {
        "<text x=\"\(LogPicture.number(x))\" y=\"\(LogPicture.number(y))\" fill=\"#444444\""
            + (isAtEnd ? " text-anchor=\"end\">" : ">") + "\(LogPicture.text(text))</text>\n"
    }

    /// Both axes, with a line at the half and at the top.
    private func axes(_ panel: Panel, title: String, label: (Double) -> String) -> String {
        let (left, right) = (LogPicture.number(LogPicture.left), LogPicture.number(LogPicture.right))
        let (top, bottom) = (LogPicture.number(panel.top), LogPicture.number(panel.bottom))
        let values = panel.maximum >= 2 ? [panel.maximum, (panel.maximum / 2).rounded()] : [panel.maximum]
        var out =
            "<text x=\"\(left)\" y=\"\(LogPicture.number(panel.top - 10))\" fill=\"#444444\">\(LogPicture.text(title))</text>\n"
        for value in values {
            let y = panel.y(value)
            out += "<path d=\"M\(left),\(LogPicture.number(y)) H\(right)\" stroke=\"#dddddd\"/>\n"
            out += self.label(LogPicture.left - 8, y + 4, label(value), isAtEnd: true)
        }
        out += self.label(LogPicture.left - 8, panel.bottom + 4, "0", isAtEnd: true)
        return out + "<path d=\"M\(left),\(top) V\(bottom) H\(right)\" fill=\"none\" stroke=\"#888888\"/>\n"
    }

    private func mark(
        _ x: String, _ y: String, _ colour: String, radius: Double, isRing: Bool = false, _ title: String
    ) -> String {
        "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(LogPicture.number(radius))\" "
            + (isRing ? "fill=\"#ffffff\" stroke=\"\(colour)\" stroke-width=\"1.2\">" : "fill=\"\(colour)\">")
            + "<title>\(LogPicture.text(title))</title></circle>\n"
    }

    private static func colour(_ position: Int) -> String { colours[position % colours.count] }

    private static func isRing(_ position: Int) -> Bool { (position / colours.count).isMultiple(of: 2) == false }

    private static func cut(_ text: String, to count: Int) -> String {
        text.count > count ? text.prefix(count - 1) + "…" : text
    }

    /// Where names stand: as many in a row as the longest of them leaves room for.
    private struct Legend {
        private let columns: Int
        private let step: Double
        private let left: Double
        private let top: Double
        let bottom: Double

        init(_ names: [String], left: Double, right: Double, top: Double) {
            let longest = min(LogPicture.longestName, names.map(\.count).max() ?? 1)
            step = max(190, Double(longest) * 7.2 + 28)
            columns = max(1, Int((right - left) / step))
            self.left = left + 4
            self.top = top
            bottom = top + 18 * Double((names.count + columns - 1) / columns) + 6
        }

        func place(_ position: Int) -> (x: Double, y: Double) {
            (left + Double(position % columns) * step, top + 18 * Double(position / columns))
        }
    }

    /// One decimal, without a locale.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(tenths / 10).\(tenths.magnitude % 10)"
    }

    private static func text(_ text: String) -> String {
        var escaped = ""
        for character in printable(text) {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
