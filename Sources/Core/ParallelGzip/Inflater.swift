import CZlib
import NIOCore

/// zlib's decoder for gzip: one member after another.
final class Inflater {
    // zlib's state has a pointer to the z_stream, so it must never move.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether the bytes so far are whole members.
    private(set) var isAtEnd = false
    /// Whether the last call filled its output, so that zlib may have more.
    private(set) var hasMore = false

    init() throws(GzipError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Adding 16 makes zlib accept gzip only.
        let status = CZlib_inflateInit2(stream, 16 + MAX_WBITS)
        guard status == Z_OK else {
            stream.deallocate()
            throw GzipError(code: status == Z_MEM_ERROR ? .outOfMemory : .compressorFailed, status: status)
        }
        // Set last: if an initializer throws after all properties are set, `deinit` runs, and would free the memory a second time.
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Reads bytes from the front of `input`, of one member at most, and returns at most a chunk of decoded bytes.
    func inflate(_ input: inout ByteBuffer) throws(GzipError) -> ByteBuffer {
        if isAtEnd {
            // Checked here, because zlib would wait for the second byte of the next member's header.
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
            // zlib does not write to next_in, although its type is not const.
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
