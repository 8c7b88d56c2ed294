import CZlib
public import NIOCore

/// Decodes gzip (RFC 1952): one member, or several laid end to end, with a constant of memory whatever the length.
///
/// zlib checks headers, checksums and lengths. What comes out is handed over in pieces of at most ``chunkSize`` bytes, so
/// that a small input which expands a thousandfold fills nobody's memory; ``Limits`` end it before it fills a disk.
///
/// Processor time: the work is done by the task that calls, in slices of at most 64 KiB of output; after each, the task
/// lets others run. Call it from an ordinary task, not from one that runs on an event loop.
public struct GzipDecoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let chunkSize = 64 << 10

    /// When to give up on bytes that are valid.
    public struct Limits: Sendable, Hashable {
        /// As many decoded bytes are let through whatever their ratio: small files of one letter are no attack.
        public static let ratioFloor: Int64 = 1 << 20

        /// The most decoded bytes; nil for any number.
        public var length: Int64?
        /// The most decoded bytes for each encoded one, over all that was read so far; nil for any. Deflate cannot do more
        /// than 1032, text is at 3 to 20, and rows that repeat are at 100 and more.
        public var ratio: Int?

        /// Makes limits.
        public init(length: Int64? = nil, ratio: Int? = nil) {
            self.length = length
            self.ratio = ratio
        }
    }

    private let limits: Limits

    /// Makes a decoder; it may be used any number of times, at once too.
    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Decodes what `next` gives until it gives nil, and hands the plain bytes to `sink`, in order.
    ///
    /// Returns when at least one whole member was decoded and nothing but whole members followed it. Throws `GzipError`
    /// with `corrupt` for bytes that are no gzip, fail their checksum, or follow a member without being one; `truncated`
    /// when they end early; `tooLong` and `tooDense` before `sink` gets the first piece beyond a limit. When `next` or
    /// `sink` throws, or the task is cancelled, that error comes out.
    public func decode(
        from next: () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void
    ) async throws {
        let inflater = try Inflater()
        var encoded: Int64 = 0
        var decoded: Int64 = 0
        while var piece = try await next() {
            while piece.readableBytes > 0 || inflater.hasMore {
                try Task.checkCancellation()
                let before = piece.readableBytes
                let output = try inflater.inflate(&piece)
                encoded += Int64(before - piece.readableBytes)
                decoded += Int64(output.readableBytes)
                try check(decoded, of: encoded)
                if output.readableBytes > 0 { try await sink(output) }
                await Task.yield()
            }
        }
        guard inflater.isAtEnd else { throw GzipError(code: .truncated, status: Z_BUF_ERROR) }
    }

    private func check(_ decoded: Int64, of encoded: Int64) throws(GzipError) {
        if let length = limits.length, decoded > length { throw GzipError(code: .tooLong, status: 0) }
        if let ratio = limits.ratio, decoded > Limits.ratioFloor, decoded / Int64(max(ratio, 1)) > encoded {
            throw GzipError(code: .tooDense, status: 0)
        }
    }
}

final class Inflater {
    // zlib's state points back at the z_stream: it must never move.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether the bytes so far are whole members.
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

    /// Takes bytes off the front of `input`, of one member at most; gives what comes of them, at most a chunk.
    func inflate(_ input: inout ByteBuffer) throws(GzipError) -> ByteBuffer {
        if isAtEnd {
            // Said here, because zlib would wait for the second byte of the next member's header.
            guard input.getInteger(at: input.readerIndex, as: UInt8.self) == 0x1F else {
                throw GzipError(code: .corrupt, status: Z_DATA_ERROR)
            }
            let status = inflateReset(stream)
            guard status == Z_OK else { throw GzipError(code: .compressorFailed, status: status) }
            isAtEnd = false
        }
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
