import CZlib
import NIOCore

/// The parts of a gzip member around its blocks: the header, an empty last block, and the trailer (RFC 1952, 2.3).
///
/// They are written here and not by a library, because a library would write the operating system into the header.
struct GzipFrame: BlockFrame {
    private var checksum: UInt = 0
    /// The length of the input modulo 2^32, as the trailer has it.
    private var length: UInt32 = 0

    let header: ByteBuffer

    init(_ level: GzipLevel) {
        header = Self.header(level)
    }

    private static func header(_ level: GzipLevel) -> ByteBuffer {
        let deflate: UInt8 = 8
        let noFlags: UInt8 = 0
        let effort: UInt8 = level == .best ? 2 : level == .fast ? 4 : 0
        let unknownSystem: UInt8 = 255
        return ByteBuffer(bytes: [0x1F, 0x8B, deflate, noFlags, 0, 0, 0, 0, effort, unknownSystem])
    }

    /// Bytes at which every decoder fails where it expects a block: a block of the type that RFC 1951, 3.2.3 reserves. Sixteen of them,
    /// because some decoders hold back the last bytes, which could be the trailer.
    static let invalidBlock = ByteBuffer(repeating: 0b111, count: 16)

    /// Adds the next block to the checksum and the length.
    mutating func add(_ block: CompressedBlock) {
        checksum = crc32_combine(checksum, uLong(block.checksum), block.length)
        length &+= UInt32(truncatingIfNeeded: block.length)
    }

    func trailer() -> ByteBuffer {
        // An empty last block with fixed codes.
        var bytes = ByteBuffer(bytes: [0x03, 0x00])
        bytes.writeInteger(UInt32(truncatingIfNeeded: checksum), endianness: .little)
        bytes.writeInteger(length, endianness: .little)
        return bytes
    }
}
