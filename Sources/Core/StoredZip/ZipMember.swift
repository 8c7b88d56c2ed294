/// A file in an archive: its name and its time, which have to be known before its bytes.
public struct ZipMember: Sendable, Hashable {
    /// The most bytes of UTF-8 in a name: the length is a field of two bytes.
    public static let longestName = 65_535

    /// The name, a path with `/` between its parts.
    public let name: String
    /// When the file was made, in seconds since 1970, UTC.
    public let modified: Int64

    /// Describes a member; nil for a name that could land outside of the folder that an archive is unpacked into, or
    /// that cannot be written.
    ///
    /// That is a name which is empty or too long, begins or ends with `/`, has an empty part, `.` or `..` among its parts,
    /// or holds a backslash, a colon or a control character.
    public init?(name: String, modified: Int64) {
        guard !name.isEmpty, name.utf8.count <= Self.longestName else { return nil }
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) else {
            return nil
        }
        let forbidden = name.unicodeScalars.contains { scalar in
            scalar == "\\" || scalar == ":" || scalar.properties.generalCategory == .control
        }
        guard !forbidden else { return nil }
        self.name = name
        self.modified = modified
    }
}

/// The length and checksum of a member's bytes.
public struct ZipContent: Sendable, Hashable {
    public var length: UInt64
    /// CRC-32, as in gzip.
    public var checksum: UInt32

    /// Describes bytes.
    public init(length: UInt64, checksum: UInt32) {
        self.length = length
        self.checksum = checksum
    }
}

/// The time of a member, in the two forms that an archive has.
struct ZipTime {
    /// The form of MS-DOS: 1980 to 2107, in steps of two seconds, without a time zone.
    let date: UInt16
    let time: UInt16
    /// Seconds since 1970, UTC, for the extended timestamp; nil where they do not fit.
    let unix: Int32?

    /// Reads seconds since 1970; what lies outside of MS-DOS's years gets the nearest day.
    init(_ seconds: Int64) {
        let day: Int64 = 86_400
        let firstDay: Int64 = 315_532_800
        let lastSecond: Int64 = 4_354_819_199
        let bounded = min(max(seconds, firstDay), lastSecond)
        let (year, month, dayOfMonth) = Self.civil(bounded / day)
        let second = bounded % day
        date = UInt16((year - 1980) << 9 | month << 5 | dayOfMonth)
        time = UInt16((second / 3600) << 11 | (second / 60 % 60) << 5 | second % 60 / 2)
        unix = Int32(exactly: seconds)
    }

    /// The date of a day counted from 1 January 1970, for days after that: years are taken to begin in March, so that the
    /// day which is sometimes missing comes last.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
