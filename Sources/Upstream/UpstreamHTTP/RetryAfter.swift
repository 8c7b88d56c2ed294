public import Exports

/// `Retry-After` (RFC 9110, 10.2.3), and what upstreams make of it.
public enum RetryAfter {
    /// What is waited where an upstream asks to wait in words that cannot be read. MSAL waits as long for Entra ID.
    public static let fallback = Duration.seconds(5)
    /// No wait is longer.
    public static let longest = Duration.seconds(86_400)

    /// How long a field asks to wait: of a list the longest value that can be read, `fallback` where none can.
    ///
    /// Read are seconds, whole or with a fraction (`2.128`), and dates in the three forms of RFC 9110, 5.6.7. Never negative,
    /// at most `longest`.
    public static func parse(_ text: String, at now: Timestamp) -> Duration {
        let parts = text.prefix(1024).split(separator: ",").map { String($0.trimming(" \t\"")) }
        var waits: [Duration] = []
        for (index, part) in parts.enumerated() {
            if let wait = seconds(part) { waits.append(wait) }
            // The comma after a weekday is no comma between values.
            let whole = index + 1 < parts.count ? part + ", " + parts[index + 1] : part
            if let date = HTTPDate.parse(whole, at: now) ?? HTTPDate.parse(part, at: now) {
                waits.append(min(max(.zero, date - now), longest))
            }
        }
        return waits.max() ?? fallback
    }

    private static func seconds(_ text: String) -> Duration? {
        guard let first = text.utf8.first, (0x30...0x39).contains(first),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let seconds = Double(text), seconds.isFinite
        else { return nil }
        return min(.milliseconds(Int64((min(seconds, 86_400) * 1000).rounded(.up))), longest)
    }
}

extension UpstreamHeaders {
    /// How long the answer asks to wait; nil when it does not.
    public func retryAfter(at now: Timestamp) -> Duration? { all("retry-after").map { RetryAfter.parse($0, at: now) } }
}

/// Dates in the forms of RFC 9110, 5.6.7: IMF-fixdate, RFC 850's and that of C's `asctime`.
enum HTTPDate {
    static func parse(_ text: String, at now: Timestamp) -> Timestamp? {
        let words = text.replacing("-", with: " ").split(separator: " ")
        if words.count == 6, words[0].hasSuffix(","), ["GMT", "UTC", "Z"].contains(words[5].uppercased()) {
            return date(day: words[1], month: words[2], year: year(words[3], at: now), time: words[4])
        }
        guard words.count == 5, words[4].count == 4 else { return nil }
        return date(day: words[2], month: words[1], year: Int(words[4]), time: words[3])
    }

    /// Two digits are of the century that is at most 50 years ahead.
    private static func year(_ text: Substring, at now: Timestamp) -> Int? {
        guard let number = Int(text), text.utf8.count == 2 else { return text.utf8.count == 4 ? Int(text) : nil }
        let present = Int(now.description.prefix(4)) ?? 2000
        let year = present / 100 * 100 + number
        return year > present + 50 ? year - 100 : year
    }

    private static func date(day: Substring, month: Substring, year: Int?, time: Substring) -> Timestamp? {
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        guard let day = Int(day), (1...31).contains(day), let year, (1000...9999).contains(year),
            let month = months.firstIndex(of: month.lowercased().prefix(3).description)
        else { return nil }
        func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return Timestamp(rfc3339: "\(year)-\(twoDigits(month + 1))-\(twoDigits(day))T\(time)Z")
    }
}
