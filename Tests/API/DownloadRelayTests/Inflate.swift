import CZlib

/// What another program makes of gzip bytes: zlib's own reading of one whole member.
///
/// Nil for anything but exactly one complete member with the right checksum and length.
func gunzip(_ bytes: [UInt8]) -> [UInt8]? {
    var stream = z_stream()
    return withUnsafeMutablePointer(to: &stream) { stream in
        guard CZlib_inflateInit2(stream, 16 + MAX_WBITS) == Z_OK else { return nil }
        defer { inflateEnd(stream) }
        var input = bytes
        var plain: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        return input.withUnsafeMutableBufferPointer { source in
            stream.pointee.next_in = source.baseAddress
            stream.pointee.avail_in = uInt(source.count)
            while true {
                let (status, count) = block.withUnsafeMutableBufferPointer { target in
                    stream.pointee.next_out = target.baseAddress
                    stream.pointee.avail_out = uInt(target.count)
                    let status = inflate(stream, Z_NO_FLUSH)
                    return (status, target.count - Int(stream.pointee.avail_out))
                }
                plain.append(contentsOf: block[..<count])
                if status == Z_STREAM_END { return stream.pointee.avail_in == 0 ? plain : nil }
                guard status == Z_OK else { return nil }
            }
        }
    }
}

/// A generator whose numbers are the same in every run (SplitMix64).
struct FixedRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Lines like those of an export: they compress about as well.
func rows(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = FixedRandom(state: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 64)
    var row = 0
    while bytes.count < count {
        bytes += Array("\(row),2026-07-02,user\(random.next() % 5000)@example.com,\(random.next() % 100_000)\r\n".utf8)
        row += 1
    }
    return Array(bytes.prefix(count))
}

/// Bytes that no encoder can make smaller.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = FixedRandom(state: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

/// The bytes as one gzip member, made by zlib.
func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    return withUnsafeMutablePointer(to: &stream) { stream in
        guard CZlib_deflateInit2(stream, 6, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK else { return [] }
        defer { deflateEnd(stream) }
        var input = bytes
        var encoded = [UInt8](repeating: 0, count: Int(deflateBound(stream, uLong(bytes.count))) + 64)
        input.withUnsafeMutableBufferPointer { source in
            encoded.withUnsafeMutableBufferPointer { target in
                stream.pointee.next_in = source.baseAddress
                stream.pointee.avail_in = uInt(source.count)
                stream.pointee.next_out = target.baseAddress
                stream.pointee.avail_out = uInt(target.count)
                _ = deflate(stream, Z_FINISH)
            }
        }
        return Array(encoded.prefix(Int(stream.pointee.total_out)))
    }
}
