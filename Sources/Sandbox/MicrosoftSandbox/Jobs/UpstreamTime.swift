import Exports

/// Timestamps as Microsoft's services write them (`Upstream-Graph, Timestamps`; `Upstream-PowerBI, Status`).
enum UpstreamTime {
    /// The .NET zero date: not set yet.
    static let unset = "0001-01-01T00:00:00Z"

    /// Seven fraction digits, trailing zeros trimmed: `2022-05-23T01:09:36.834501Z`.
    static func text(_ time: Timestamp, ticks: Int64 = 0) -> String {
        var text = time.description
        text.removeLast()
        let low = String(ticks % 10_000)
        text += String(repeating: "0", count: 4 - low.utf8.count) + low
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text + "Z"
    }

    /// Without fraction and zone, as in `innerError.date`.
    static func innerErrorDate(_ time: Timestamp) -> String { String(time.description.prefix(19)) }

    /// `YYYY-MM-DD HH:MM:SSZ`, as in the token endpoint's errors.
    static func tokenErrorTime(_ time: Timestamp) -> String {
        innerErrorDate(time).split(separator: "T").joined(separator: " ") + "Z"
    }
}
