public import Exports

/// Dates of header fields (RFC 9110, 5.6.7: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).
public enum HTTPDate {
    /// Reads IMF-fixdate, RFC 850's form and that of C's `asctime`; nil for anything else. Two digits of a year are of the century
    /// that is at most 50 years ahead of `now`.
    public static func parse(_ text: String, at now: Timestamp) -> Timestamp? {
        let words = text.replacing("-", with: " ").split(separator: " ")
        if words.count == 6, words[0].hasSuffix(","), ["GMT", "UTC", "Z"].contains(words[5].uppercased()) {
            return date(day: words[1], month: words[2], year: year(words[3], at: now), time: words[4])
        }
        guard words.count == 5, words[4].count == 4 else { return nil }
        return date(day: words[2], month: words[1], year: Int(words[4]), time: words[3])
    }

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

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
    public static func text(_ time: Timestamp) -> String {
        // `1994-11-06T08:49:37.000Z`
        let parts = time.description.split { $0 == "-" || $0 == "T" || $0 == "." }
        let milliseconds = time.milliseconds
        let day = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds - 86_399_999) / 86_400_000
        // The first day of 1970 was a Thursday.
        let weekday = days[Int((day % 7 + 7) % 7)]
        let month = monthNames[(Int(parts[1]) ?? 1) - 1]
        return "\(weekday), \(parts[2]) \(month) \(parts[0]) \(parts[3]) GMT"
    }
}
