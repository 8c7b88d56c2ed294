/// What one delivery found out about a file: evidence for or against what the record claims.
///
/// Readings are independent of each other when they belong to different deliveries.
public struct FileReading: Sendable, Hashable, Codable {
    /// The file's id.
    public var fileID: String
    /// The length of the whole plain file; nil where it is only known to be longer than `claimedSize`.
    public var size: Int64?
    /// Lower-case hexadecimal SHA-256, where the whole file was read to its proper end; nil where only its length is known.
    public var sha256: String?
    /// CRC-32 of the bytes that `sha256` is of.
    public var crc32: UInt32?
    /// The size in the record when the file was opened, which the bytes were compared with.
    public var claimedSize: Int64?
    /// The digest in the record when the file was opened, which the bytes were compared with.
    public var claimedDigest: String?
    /// Whether the bytes were sent as the whole file. False where the delivery was broken off because of what was found.
    public var isDelivered: Bool

    /// Makes a reading of the whole file that was opened when the record said `file` of it.
    public init(of file: ExportFile, size: Int64?, sha256: String?, isDelivered: Bool) {
        fileID = file.id
        self.size = size
        self.sha256 = sha256
        claimedSize = file.size
        claimedDigest = file.sha256
        self.isDelivered = isDelivered
    }
}
