import CZlib
import NIOCore

/// One gzip member in the making: header, raw deflate, trailer (RFC 1952, 2.3).
///
/// The frame is written here rather than by zlib, which would name the operating system in it.
final class GzipMember {
    /// The most input that one call of `deflate` works through.
    private static let sliceSize = 64 << 10
    private static let trailerSize = 8

    // zlib's state points back at the z_stream: it must never move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let level: Int
    private var checksum: UInt
    /// The length of the input modulo 2^32, as the trailer wants it.
    private var length: UInt32 = 0
    private var isDeflated = false

    /// Takes the compressor's memory.
    init(level: Int) throws(GzipError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative bits: raw deflate, no frame. 8 is zlib's own default for the hash chains.
        let status = CZlib_deflateInit2(stream, Int32(level), -MAX_WBITS, 8, Z_DEFAULT_STRATEGY)
        guard status == Z_OK else {
            stream.deallocate()
            throw GzipError(code: status == Z_MEM_ERROR ? .outOfMemory : .compressorFailed, status: status)
        }
        // Set last: an initializer that throws with everything set runs deinit, which would free a second time.
        self.stream = stream
        self.level = level
        checksum = crc32(0, nil, 0)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Writes the header.
    func begin(_ output: inout ByteBuffer) {
        let deflate: UInt8 = 8
        let noFlags: UInt8 = 0
        let effort: UInt8 = level == 9 ? 2 : level == 1 ? 4 : 0
        let unknownSystem: UInt8 = 255
        output.writeBytes([0x1F, 0x8B, deflate, noFlags, 0, 0, 0, 0, effort, unknownSystem])
    }

    /// Takes a slice off the front of `input`, and adds what comes of it until `output` is full.
    func deflate(_ input: inout ByteBuffer, into output: inout ByteBuffer) throws(GzipError) {
        let slice = input.getSlice(
            at: input.readerIndex,
            length: min(input.readableBytes, Self.sliceSize)
        )
        guard let slice else { return }
        let consumed = try run(slice, into: &output, flush: Z_NO_FLUSH)
        slice.withUnsafeReadableBytes { bytes in
            checksum = crc32(checksum, bytes.bindMemory(to: UInt8.self).baseAddress, uInt(consumed))
        }
        length &+= UInt32(truncatingIfNeeded: consumed)
        input.moveReaderIndex(forwardBy: consumed)
    }

    /// Adds what is left and the trailer; false when `output` is full and it has to be called again.
    func end(_ output: inout ByteBuffer) throws(GzipError) -> Bool {
        if !isDeflated {
            _ = try run(ByteBuffer(), into: &output, flush: Z_FINISH)
        }
        guard isDeflated, output.readableBytes + Self.trailerSize <= GzipEncoder.chunkSize else { return false }
        output.writeInteger(UInt32(truncatingIfNeeded: checksum), endianness: .little)
        output.writeInteger(length, endianness: .little)
        return true
    }

    /// One call of zlib; gives the number of input bytes that it took.
    private func run(_ input: ByteBuffer, into output: inout ByteBuffer, flush: Int32) throws(GzipError) -> Int {
        let room = GzipEncoder.chunkSize - output.readableBytes
        var status = Z_OK
        let left = input.withUnsafeReadableBytes { source in
            // zlib never writes through next_in; its type only lacks the const.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: source.bindMemory(to: UInt8.self).baseAddress
            )
            stream.pointee.avail_in = uInt(source.count)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
                stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = uInt(room)
                status = CZlib.deflate(stream, flush)
                return room - Int(stream.pointee.avail_out)
            }
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
            return Int(stream.pointee.avail_in)
        }
        switch status {
        case Z_STREAM_END: isDeflated = true
        case Z_OK, Z_BUF_ERROR: break  // Z_BUF_ERROR: no room or no input; the caller makes some and comes again.
        default: throw GzipError(code: .compressorFailed, status: status)
        }
        return input.readableBytes - left
    }
}
