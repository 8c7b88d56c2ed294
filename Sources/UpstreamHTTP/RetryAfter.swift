public import Exports

/// `Retry-After` (RFC 9110, 10.2.3), and what Microsoft makes of it.
public enum RetryAfter {
    /// Seconds, whole or with a fraction (`2.128`, `graph.md` D2), or an HTTP date in the IMF form.
    /// Nil when it is neither; never negative, at most a day.
    public static func parse(_ text: String, at now: Timestamp) -> Duration? {
        let text = text.trimmed
        if let first = text.utf8.first, (0x30...0x39).contains(first),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") })
        {
            guard let seconds = Double(text), seconds.isFinite else { return nil }
            return .milliseconds(Int64((min(seconds, 86_400) * 1000).rounded(.up)))
        }
        guard let date = httpDate(text) else { return nil }
        return min(max(.zero, date - now), .seconds(86_400))
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func httpDate(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT", parts[1].count == 2,
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp(rfc3339: "\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
