import CZlib
import NIOCore

/// What stands around the blocks of a gzip member: its header, an empty last block, its trailer (RFC 1952, 2.3).
///
/// The frame is written here rather than by a library, which would name the operating system in it.
struct GzipFrame {
    private var checksum: UInt = 0
    /// The length of the input modulo 2^32, as the trailer wants it.
    private var length: UInt32 = 0

    /// The bytes before the first block.
    static func header(_ level: GzipLevel) -> ByteBuffer {
        let deflate: UInt8 = 8
        let noFlags: UInt8 = 0
        let effort: UInt8 = level == .best ? 2 : level == .fast ? 4 : 0
        let unknownSystem: UInt8 = 255
        return ByteBuffer(bytes: [0x1F, 0x8B, deflate, noFlags, 0, 0, 0, 0, effort, unknownSystem])
    }

    /// What no decoder of deflate goes past, where it expects a block: one of the type that RFC 1951, 3.2.3 reserves. Sixteen
    /// times, for decoders that hold back what could be the trailer.
    static let invalidBlock = ByteBuffer(repeating: 0b111, count: 16)

    /// Counts the next block in.
    mutating func add(_ block: CompressedBlock) {
        checksum = crc32_combine(checksum, uLong(block.checksum), block.length)
        length &+= UInt32(truncatingIfNeeded: block.length)
    }

    /// How many bytes ``trailer()`` has.
    static let trailerLength = 10

    /// The bytes behind the last block.
    func trailer() -> ByteBuffer {
        // A last block of deflate with fixed codes and nothing in it.
        var bytes = ByteBuffer(bytes: [0x03, 0x00])
        bytes.writeInteger(UInt32(truncatingIfNeeded: checksum), endianness: .little)
        bytes.writeInteger(length, endianness: .little)
        return bytes
    }
}
