import NIOCore

/// Tells the client how many streams it may have open, where NIO was told that there is no limit.
///
/// A stream too many is refused by the gateway, and the others go on (RFC 9113, 5.1.2). NIO would end the connection.
struct AnnouncedStreams: Sendable {
    /// What NIO is told.
    static let unbounded = Int(Int32.max)
    private static let headLength = 9
    private static let settingLength = 6
    /// `SETTINGS_MAX_CONCURRENT_STREAMS` (RFC 9113, 6.5.2).
    private static let parameter: UInt16 = 0x3

    let most: Int

    /// Writes the number into the bytes of a frame of settings.
    func announce(in frame: inout ByteBuffer) {
        for offset in stride(from: Self.headLength, to: frame.readableBytes, by: Self.settingLength) {
            let index = frame.readerIndex + offset
            guard frame.getInteger(at: index, as: UInt16.self) == Self.parameter else { continue }
            frame.setInteger(UInt32(most), at: index + MemoryLayout<UInt16>.size)
        }
    }
}
