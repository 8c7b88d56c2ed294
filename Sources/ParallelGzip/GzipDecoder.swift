import CZlib
public import NIOCore

/// Decodes one gzip member (RFC 1952), with a constant of memory whatever the length.
///
/// zlib checks header, checksum and length. What comes out is handed over in pieces of at most ``chunkSize`` bytes, so
/// that a small input which expands a thousandfold fills nobody's memory.
public struct GzipDecoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let chunkSize = 64 << 10

    /// Makes a decoder; it may be used any number of times, at once too.
    public init() {}

    /// Decodes what `next` gives until it gives nil, and hands the plain bytes to `sink`, in order.
    ///
    /// Returns when one whole member was decoded and nothing followed it. Throws `GzipError` with `corrupt` for bytes
    /// that are no gzip, fail their checksum or go on behind the member's end, and with `truncated` when they end early;
    /// when `next` or `sink` throws, or the task is cancelled, that error comes out.
    public func decode(
        from next: () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void
    ) async throws {
        let inflater = try Inflater()
        while var piece = try await next() {
            while piece.readableBytes > 0 || inflater.hasMore {
                try Task.checkCancellation()
                let output = try inflater.inflate(&piece)
                if output.readableBytes > 0 { try await sink(output) }
            }
        }
        guard inflater.isAtEnd else { throw GzipError(code: .truncated, status: Z_BUF_ERROR) }
    }
}

final class Inflater {
    // zlib's state points back at the z_stream: it must never move.
    private let stream: UnsafeMutablePointer<z_stream>
    private(set) var isAtEnd = false
    /// Whether the last call filled its output, so that more may be waiting inside.
    private(set) var hasMore = false

    init() throws(GzipError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 16: a gzip frame, and no other.
        let status = CZlib_inflateInit2(stream, 16 + MAX_WBITS)
        guard status == Z_OK else {
            stream.deallocate()
            throw GzipError(code: status == Z_MEM_ERROR ? .outOfMemory : .compressorFailed, status: status)
        }
        // Set last: an initializer that throws with everything set runs deinit, which would free a second time.
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Takes bytes off the front of `input`; gives what comes of them, at most a chunk.
    func inflate(_ input: inout ByteBuffer) throws(GzipError) -> ByteBuffer {
        guard !isAtEnd else { throw GzipError(code: .corrupt, status: Z_DATA_ERROR) }
        var output = ByteBuffer()
        var status = Z_OK
        input.readWithUnsafeReadableBytes { source in
            // zlib never writes through next_in; its type only lacks the const.
            stream.pointee.next_in = UnsafeMutablePointer(mutating: source.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = uInt(source.count)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: GzipDecoder.chunkSize) { target in
                stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = uInt(GzipDecoder.chunkSize)
                status = CZlib.inflate(stream, Z_NO_FLUSH)
                return GzipDecoder.chunkSize - Int(stream.pointee.avail_out)
            }
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
            return source.count - Int(stream.pointee.avail_in)
        }
        hasMore = output.readableBytes == GzipDecoder.chunkSize && status == Z_OK
        switch status {
        case Z_STREAM_END: isAtEnd = true
        case Z_OK, Z_BUF_ERROR: break
        case Z_MEM_ERROR: throw GzipError(code: .outOfMemory, status: status)
        default: throw GzipError(code: .corrupt, status: status)
        }
        return output
    }
}
