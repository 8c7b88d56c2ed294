import CZlib

#if ISAL
import CISAL
#endif

/// The CRC-32 of gzip and ZIP (RFC 1952, 8) over bytes that come in pieces: with ISA-L at the speed of memory.
public struct CRC32: Sendable {
    /// The CRC-32 of all bytes so far.
    public private(set) var value: UInt32 = 0

    /// Begins with no bytes.
    public init() {}

    /// Adds the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        #if ISAL
        value = CISAL_crc32(value, start, UInt64(bytes.count))
        #else
        value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), start, bytes.count))
        #endif
    }
}
