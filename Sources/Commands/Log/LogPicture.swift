import LogStore
import NodeService

/// How a log has grown, and how much later each node has cosigned it, as an SVG picture.
struct LogPicture {
    let origin: String
    /// By size.
    let past: [PastCheckpoint]

    private static let width = 900.0
    private static let left = 90.0
    private static let right = 870.0
    private static let colours = [
        "#1f6fb2", "#c4501b", "#2f8f4e", "#8a4fa3", "#a8871d", "#3c8d93", "#b23a5e", "#666666",
    ]

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

    /// When a checkpoint is known to have been there: as its last entry says, or its first cosignature.
    private static func time(of past: PastCheckpoint) -> UInt64? { past.entryTime ?? past.cosigners.first?.time }

    var svg: String {
        let growth = past.compactMap { past in
            LogPicture.time(of: past).map { Point(time: $0, value: Double(past.head.size)) }
        }
        var lags: [String: [Point]] = [:]
        for checkpoint in past {
            for cosigner in checkpoint.cosigners {
                guard let lag = cosigner.lag else { continue }
                lags[cosigner.node, default: []].append(Point(time: cosigner.time, value: Double(lag)))
            }
        }
        let names = lags.keys.sorted()
        let times = growth.map(\.time) + lags.values.joined().map(\.time)
        let begin = times.min() ?? 0
        let end = max(times.max() ?? 0, begin + 1)
        func x(_ time: UInt64) -> Double {
            LogPicture.left + Double(time - begin) / Double(end - begin) * (LogPicture.right - LogPicture.left)
        }
        let entries = Panel(top: 60, bottom: 290, maximum: growth.map(\.value).max() ?? 1)
        let lag = Panel(top: 350, bottom: 520, maximum: max(1, lags.values.joined().map(\.value).max() ?? 1))
        let height = 590 + 18 * Double((names.count + 3) / 4)

        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(LogPicture.number(LogPicture.width)) \
            \(LogPicture.number(height))" font-family="sans-serif" font-size="12">
            <title>\(LogPicture.text(origin)): growth and cosignature lag</title>
            <rect width="100%" height="100%" fill="#ffffff"/>
            <text x="\(LogPicture.number(LogPicture.left))" y="30" font-size="16">\(LogPicture.text(origin))</text>

            """
        out += axes(entries, title: "entries", label: grouped(Int(entries.maximum)))
        out += axes(lag, title: "from the last entry to the cosignature", label: Duration.words(UInt64(lag.maximum)))
        var path = ""
        for point in growth {
            path +=
                "\(path.isEmpty ? "M" : "L")\(LogPicture.number(x(point.time))),\(LogPicture.number(entries.y(point.value))) "
        }
        out += "<path d=\"\(path)\" fill=\"none\" stroke=\"#222222\" stroke-width=\"1.5\"/>\n"
        for point in growth {
            out += circle(
                x(point.time), entries.y(point.value), "#222222",
                "\(grouped(Int(point.value))) entries, \(moment(point.time))")
        }
        for (position, name) in names.enumerated() {
            let colour = LogPicture.colours[position % LogPicture.colours.count]
            for point in lags[name] ?? [] {
                out += circle(
                    x(point.time), lag.y(point.value), colour,
                    "\(name), \(Duration.words(UInt64(point.value))) after the entry, \(moment(point.time))")
            }
            let place = (LogPicture.left + Double(position % 4) * 195, 575 + 18 * Double(position / 4))
            out +=
                "<circle cx=\"\(LogPicture.number(place.0))\" cy=\"\(LogPicture.number(place.1 - 4))\" r=\"4\" fill=\"\(colour)\"/>"
                + "<text x=\"\(LogPicture.number(place.0 + 9))\" y=\"\(LogPicture.number(place.1))\">\(LogPicture.text(name))</text>\n"
        }
        out +=
            "<text x=\"\(LogPicture.number(LogPicture.left))\" y=\"540\">\(times.isEmpty ? "nothing is dated" : moment(begin))</text>\n"
        if !times.isEmpty {
            out +=
                "<text x=\"\(LogPicture.number(LogPicture.right))\" y=\"540\" text-anchor=\"end\">\(moment(end))</text>\n"
        }
        return out + "</svg>\n"
    }

    private func axes(_ panel: Panel, title: String, label: String) -> String {
        let (left, right) = (LogPicture.number(LogPicture.left), LogPicture.number(LogPicture.right))
        let (top, bottom) = (LogPicture.number(panel.top), LogPicture.number(panel.bottom))
        let middle = LogPicture.number(LogPicture.left - 8)
        return """
            <path d="M\(left),\(top) V\(bottom) H\(right)" fill="none" stroke="#888888"/>
            <text x="\(left)" y="\(LogPicture.number(panel.top - 8))" fill="#444444">\(LogPicture.text(title))</text>
            <text x="\(middle)" y="\(LogPicture.number(panel.top + 4))" text-anchor="end">\(LogPicture.text(label))</text>
            <text x="\(middle)" y="\(bottom)" text-anchor="end">0</text>

            """
    }

    private func circle(_ x: Double, _ y: Double, _ colour: String, _ title: String) -> String {
        "<circle cx=\"\(LogPicture.number(x))\" cy=\"\(LogPicture.number(y))\" r=\"3\" fill=\"\(colour)\"><title>"
            + "\(LogPicture.text(title))</title></circle>\n"
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
