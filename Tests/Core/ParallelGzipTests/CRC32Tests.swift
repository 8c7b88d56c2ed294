import CZlib
import Testing
import ZlibReference

@testable import ParallelGzip

@Suite struct CRC32Tests {
    /// Cut anywhere, the same as zlib's.
    @Test(arguments: [0, 1, 2, 3, 15, 16, 255, 256, 257, 65_536, 1_000_003], [1, 7, 4096, 1 << 20])
    func isThatOfZlib(count: Int, cut: Int) {
        let bytes = Array(noise(2 << 20).prefix(cut == 1 ? min(count, 1000) : count))
        var checksum = CRC32()
        for start in stride(from: 0, to: bytes.count, by: cut) {
            bytes[start..<min(bytes.count, start + cut)].withUnsafeBytes { checksum.update($0) }
        }
        let expected = bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) }
        #expect(checksum.value == UInt32(truncatingIfNeeded: expected))
    }

    @Test func nothingHasNone() {
        #expect(CRC32().value == 0)
    }
}
