#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A point in time, UTC, in whole milliseconds: what the API shows and the ledger keeps.
///
/// Its text is RFC 3339 with three fraction digits, `2026-07-02T09:15:04.123Z`.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var milliseconds: Int64

    /// Makes a timestamp from milliseconds since 1970.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool { lhs.milliseconds < rhs.milliseconds }

    public static func + (lhs: Timestamp, rhs: Duration) -> Timestamp {
        Timestamp(milliseconds: lhs.milliseconds + rhs.milliseconds)
    }

    public static func - (lhs: Timestamp, rhs: Timestamp) -> Duration {
        .milliseconds(lhs.milliseconds - rhs.milliseconds)
    }

    static func systemNow() -> Timestamp {
        Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)))
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String {
        let day = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds - 86_399_999) / 86_400_000
        let inDay = milliseconds - day * 86_400_000
        let (year, month, dayOfMonth) = CivilDate.fromDays(day)
        if (0...9999).contains(year) { return Self.text(year, month, dayOfMonth, inDay) }
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(dayOfMonth, 2) + "T"
            + padded(inDay / 3_600_000, 2) + ":" + padded(inDay / 60_000 % 60, 2) + ":"
            + padded(inDay / 1000 % 60, 2) + "." + padded(inDay % 1000, 3) + "Z"
    }

    /// The text of a year of four digits, of which there are many in each answer.
    private static func text(_ year: Int64, _ month: Int64, _ day: Int64, _ inDay: Int64) -> String {
        String(unsafeUninitializedCapacity: 24) { text in
            var end = 0
            func write(_ value: Int64, _ width: Int, then separator: Unicode.Scalar) {
                var value = value
                for place in (0..<width).reversed() {
                    text.initializeElement(at: end + place, to: UInt8(ascii: "0") + UInt8(value % 10))
                    value /= 10
                }
                text.initializeElement(at: end + width, to: UInt8(ascii: separator))
                end += width + 1
            }
            write(year, 4, then: "-")
            write(month, 2, then: "-")
            write(day, 2, then: "T")
            write(inDay / 3_600_000, 2, then: ":")
            write(inDay / 60_000 % 60, 2, then: ":")
            write(inDay / 1000 % 60, 2, then: ".")
            write(inDay % 1000, 3, then: "Z")
            return end
        }
    }
}

extension Timestamp {
    /// Reads RFC 3339 with 0–9 fraction digits and `Z` or a numeric offset; digits past milliseconds are cut.
    ///
    /// A missing zone is read as UTC, because Graph's `innerError.date` has none (`Upstream-Graph, Timestamps`).
    /// Returns nil for anything else, the misprinted `2023-06-19T12-06-03.0024Z` of Microsoft's pages included.
    public init?(rfc3339 text: some StringProtocol) {
        var scanner = DigitScanner(text)
        guard let year = scanner.number(digits: 4), scanner.take("-"),
            let month = scanner.number(digits: 2), (1...12).contains(month), scanner.take("-"),
            let day = scanner.number(digits: 2), (1...CivilDate.daysIn(month: month, year: year)).contains(day),
            scanner.take("T") || scanner.take("t") || scanner.take(" "),
            let hour = scanner.number(digits: 2), hour < 24, scanner.take(":"),
            let minute = scanner.number(digits: 2), minute < 60, scanner.take(":"),
            let second = scanner.number(digits: 2), second <= 60
        else { return nil }
        var fraction: Int64 = 0
        if scanner.take(".") {
            guard let milliseconds = scanner.fractionAsMilliseconds() else { return nil }
            fraction = milliseconds
        }
        guard let offsetMinutes = scanner.zoneOffsetMinutes(), scanner.isAtEnd else { return nil }
        let days = CivilDate.toDays(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offsetMinutes * 60
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    /// Reads a date as Microsoft's services send it: nil, empty, unreadable and the .NET zero date
    /// (`0001-01-01T00:00:00Z`: not set yet) are all none (`Upstream-Graph, Timestamps`; `Upstream-PowerBI, Start`).
    public static func upstream(_ text: String?) -> Timestamp? {
        guard let text, let timestamp = Timestamp(rfc3339: text),
            timestamp.milliseconds > -62_135_596_800_000 + 86_400_000
        else { return nil }
        return timestamp
    }
}

extension Timestamp: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let timestamp = Timestamp(rfc3339: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not an RFC 3339 date")
            )
        }
        self = timestamp
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The proleptic Gregorian calendar in days since 1970 (Howard Hinnant's algorithms).
private enum CivilDate {
    static func toDays(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func fromDays(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * index + 2) / 5 + 1)
    }

    static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Reads digits and separators off the front of a text.
private struct DigitScanner {
    private var rest: Substring.UTF8View

    init(_ text: some StringProtocol) {
        rest = Substring(text).utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let first = rest.first, first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number(digits count: Int) -> Int64? {
        let head = rest.prefix(count)
        guard head.count == count, head.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest.removeFirst(count)
        return head.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    mutating func fractionAsMilliseconds() -> Int64? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...9).contains(digits.count) else { return nil }
        rest.removeFirst(digits.count)
        let milliseconds = digits.prefix(3).reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        return milliseconds * [100, 10, 1][min(digits.count, 3) - 1]
    }

    mutating func zoneOffsetMinutes() -> Int64? {
        if isAtEnd || take("Z") || take("z") { return 0 }
        let sign: Int64 = take("+") ? 1 : take("-") ? -1 : 0
        guard sign != 0, let hours = number(digits: 2), hours < 24, take(":"), let minutes = number(digits: 2),
            minutes < 60
        else { return nil }
        return sign * (hours * 60 + minutes)
    }
}
