import CZlib
public import NIOCore

/// Decodes gzip piece by piece, as the reader asks for more. ``GzipDecoder`` instead pushes the pieces to a `sink`.
///
/// Memory: zlib's window of 32 KiB and one chunk of output, whatever the length.
public final class Gunzip {
    private let inflater: Inflater
    private let limits: GzipDecoder.Limits
    private var encoded: Int64 = 0
    private var decoded: Int64 = 0

    /// Starts the first member. Throws `GzipError` when there is no memory.
    public init(limits: GzipDecoder.Limits = .init()) throws(GzipError) {
        inflater = try Inflater()
        self.limits = limits
    }

    /// Whether at least one member was decoded, and the last one is complete, with the right checksum and length.
    public var isAtEnd: Bool { inflater.isAtEnd }

    /// Reads bytes from the front of `input` and returns at most ``GzipDecoder/chunkSize`` decoded bytes; nil when all of `input` was
    /// read and the decoder has nothing more to give.
    ///
    /// Throws `GzipError` with `corrupt` for bytes that are no gzip, fail their checksum, or follow a member without being
    /// one, and `tooLong` or `tooDense` instead of what would go beyond a limit.
    public func decode(_ input: inout ByteBuffer) throws(GzipError) -> ByteBuffer? {
        while input.readableBytes > 0 || inflater.hasMore {
            let before = input.readableBytes
            let output = try inflater.inflate(&input)
            encoded += Int64(before - input.readableBytes)
            decoded += Int64(output.readableBytes)
            if let length = limits.length, decoded > length { throw GzipError(code: .tooLong, status: 0) }
            if let ratio = limits.ratio, decoded > limits.ratioThreshold,
                decoded / Int64(max(ratio, 1)) > encoded
            {
                throw GzipError(code: .tooDense, status: 0)
            }
            if output.readableBytes > 0 { return output }
        }
        return nil
    }

    /// To be called at the end of the input. Throws `GzipError` with `truncated` when the last member is not complete.
    public func finish() throws(GzipError) {
        guard inflater.isAtEnd else { throw GzipError(code: .truncated, status: Z_BUF_ERROR) }
    }
}
