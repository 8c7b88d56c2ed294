public import Exports

/// The numbers and times that an audit trail can have. What has others was not written by a gateway: it counts as unreadable,
/// so that nothing is calculated with it.
public enum AuditBounds {
    /// The years 0 to 9999, which have a text in RFC 3339.
    public static let times =
        Timestamp(milliseconds: -62_167_219_200_000)...Timestamp(milliseconds: 253_402_300_799_999)
    /// Of rows. There is always a next number.
    public static let sequences: Range<Int64> = 1..<(1 << 62)

    /// Whether a row, a head or an anchor may have these.
    public static func contain(_ sequence: Int64, _ time: Timestamp) -> Bool {
        sequences.contains(sequence) && times.contains(time)
    }
}
