import CZlib
public import NIOCore

/// gzip that is decoded as its reader asks for more: what ``GzipDecoder`` does, turned around.
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

    /// Whether what was decoded are whole members, at least one: its end has come, with the right checksum and length.
    public var isAtEnd: Bool { inflater.isAtEnd }

    /// Takes bytes off the front of `input` and gives what comes of them, at most ``GzipDecoder/chunkSize`` bytes; nil when
    /// all of `input` was taken and nothing more is waiting inside.
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

    /// Says that there is no more input. Throws `GzipError` with `truncated` when more had to come.
    public func finish() throws(GzipError) {
        guard inflater.isAtEnd else { throw GzipError(code: .truncated, status: Z_BUF_ERROR) }
    }
}
