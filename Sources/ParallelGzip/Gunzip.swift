import CZlib
public import NIOCore

/// One gzip member that is decoded as its reader asks for more: what ``GzipDecoder`` does, turned around.
///
/// Memory: zlib's window of 32 KiB and one chunk of output, whatever the length.
public final class Gunzip {
    private let inflater: Inflater

    /// Starts a member. Throws `GzipError` when there is no memory.
    public init() throws(GzipError) {
        inflater = try Inflater()
    }

    /// Whether the member is whole: its end has come, with the right checksum and length.
    public var isAtEnd: Bool { inflater.isAtEnd }

    /// Takes bytes off the front of `input` and gives what comes of them, at most ``GzipDecoder/chunkSize`` bytes; nil when
    /// all of `input` was taken and nothing more is waiting inside.
    ///
    /// Throws `GzipError` with `corrupt` for bytes that are no gzip, fail their checksum, or follow the member's end.
    public func decode(_ input: inout ByteBuffer) throws(GzipError) -> ByteBuffer? {
        while input.readableBytes > 0 || inflater.hasMore {
            let output = try inflater.inflate(&input)
            if output.readableBytes > 0 { return output }
        }
        return nil
    }
}
