/// What one delivery found a file to be: evidence for what the record claims of it, or against.
///
/// Readings are independent of each other when they belong to different deliveries.
public struct FileReading: Sendable, Hashable, Codable {
    /// The file's id.
    public var fileID: String
    /// The length of the whole plain file; nil where it is only known to be longer than `claimedSize`.
    public var size: Int64?
    /// Lower-case hexadecimal SHA-256, where the whole file was read to a proper end; nil where only its length was told.
    public var sha256: String?
    /// CRC-32 of the bytes that `sha256` is of.
    public var crc32: UInt32?
    /// The size that the record had when the file was opened, and the bytes were held against.
    public var claimedSize: Int64?
    /// The digest that the record had when the file was opened, and the bytes were held against.
    public var claimedDigest: String?
    /// Whether the bytes were handed on as the whole file: false where the delivery was broken off because of what was found.
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
