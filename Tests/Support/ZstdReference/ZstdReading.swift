import CZstd

/// What libzstd's decoder reads of the bytes of one frame.
public struct ZstdReading {
    /// The bytes before the end, or before what libzstd finds wrong.
    public private(set) var plain: [UInt8] = []
    /// What libzstd finds wrong, in its own words.
    public private(set) var fault: String?
    /// Whether one frame was read to its end, with the right checksum.
    public private(set) var isWhole = false
    /// How many bytes the frame has.
    public private(set) var length = 0

    /// Reads `bytes`, given to the decoder in pieces of `cut` bytes.
    public init(_ bytes: [UInt8], cut: Int = 1 << 17) {
        guard let context = ZSTD_createDCtx() else { return }
        defer { ZSTD_freeDCtx(context) }
        // What a decoder of the content coding has to support, and no more (RFC 9659, 3).
        _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 23)
        var block = [UInt8](repeating: 0, count: 1 << 17)
        while length < bytes.count, !isWhole {
            let piece = Array(bytes[length..<min(bytes.count, length + cut)])
            var source = ZSTD_inBuffer(src: nil, size: piece.count, pos: 0)
            var isFull = true
            // A full output may hide that more was to come.
            while source.pos < source.size || isFull, !isWhole {
                let (left, count) = piece.withUnsafeBytes { input in
                    block.withUnsafeMutableBytes { target in
                        source.src = input.baseAddress
                        var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                        return (ZSTD_decompressStream(context, &output, &source), output.pos)
                    }
                }
                if ZSTD_isError(left) != 0 {
                    fault = String(cString: ZSTD_getErrorName(left))
                    return
                }
                plain += block[..<count]
                isFull = count == block.count
                isWhole = left == 0
            }
            length += source.pos
        }
    }
}

/// What libzstd reads of one whole frame.
///
/// Nil for anything but exactly one complete frame with the right checksum.
public func unzstd(_ bytes: [UInt8]) -> [UInt8]? {
    let frame = ZstdReading(bytes)
    return frame.isWhole && frame.length == bytes.count ? frame.plain : nil
}

/// What the header of a frame says.
public struct ZstdHeader: Sendable, Equatable {
    /// The bytes of the content; nil where the header does not have it.
    public var length: UInt64?
    /// How far back the blocks may refer.
    public var window: UInt64
    public var hasChecksum: Bool
    public var hasDictionary: Bool

    /// Reads it by RFC 8878, 3.1.1.1; nil where it is none.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= 6, bytes[..<4] == [0x28, 0xB5, 0x2F, 0xFD] else { return nil }
        let descriptor = bytes[4]
        let isSingleSegment = descriptor & 0x20 != 0
        hasChecksum = descriptor & 0x04 != 0
        hasDictionary = descriptor & 0x03 != 0
        let sizes = [isSingleSegment ? 1 : 0, 2, 4, 8]
        let count = sizes[Int(descriptor >> 6)]
        let start = isSingleSegment ? 5 : 6
        guard !hasDictionary, bytes.count >= start + count else { return nil }
        var size: UInt64 = 0
        for byte in bytes[start..<(start + count)].reversed() { size = size << 8 | UInt64(byte) }
        if count == 2 { size += 256 }
        length = count == 0 ? nil : size
        let base = UInt64(1) << (10 + UInt64(bytes[5] >> 3))
        window = isSingleSegment ? size : base + base / 8 * UInt64(bytes[5] & 7)
    }
}
