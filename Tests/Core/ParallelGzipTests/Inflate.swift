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

/// The same for any number of members, at least one; nil too for more than `limit` bytes.
///
/// All of the input is given to zlib at once, and the members are separated here.
func gunzip(members bytes: [UInt8], limit: Int = .max) -> [UInt8]? {
    var input = bytes
    var plain: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 17)
    var offset = 0
    repeat {
        var stream = z_stream()
        let isWhole = withUnsafeMutablePointer(to: &stream) { stream in
            guard CZlib_inflateInit2(stream, 16 + MAX_WBITS) == Z_OK else { return false }
            defer { inflateEnd(stream) }
            return input.withUnsafeMutableBufferPointer { source in
                guard let start = source.baseAddress else { return false }
                stream.pointee.next_in = start + offset
                stream.pointee.avail_in = uInt(source.count - offset)
                var status = Z_OK
                while status == Z_OK {
                    let count = block.withUnsafeMutableBufferPointer { target in
                        stream.pointee.next_out = target.baseAddress
                        stream.pointee.avail_out = uInt(target.count)
                        status = inflate(stream, Z_NO_FLUSH)
                        return target.count - Int(stream.pointee.avail_out)
                    }
                    plain.append(contentsOf: block[..<count])
                    if plain.count > limit { return false }
                }
                offset = source.count - Int(stream.pointee.avail_in)
                return status == Z_STREAM_END
            }
        }
        guard isWhole else { return nil }
    } while offset < bytes.count
    return plain
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
    if seed == 1, count <= manyRows.count { return Array(manyRows.prefix(count)) }
    return makeRows(count, seed)
}

private let manyRows = makeRows(3 << 20, 1)

private func makeRows(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var random = FixedRandom(state: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 64)
    var row = 0
    while bytes.count < count {
        let user = random.next() % 5000
        bytes.append(contentsOf: "\(row),2026-07-02,user\(user)@example.com,\(random.next() % 100_000)\r\n".utf8)
        row += 1
    }
    return Array(bytes.prefix(count))
}

/// Bytes that no encoder can make smaller, the same each time.
func noise(_ count: Int) -> [UInt8] {
    Array(muchNoise.prefix(count))
}

private let muchNoise: [UInt8] = {
    var random = FixedRandom(state: 1)
    return Array(unsafeUninitializedCapacity: 3 << 20) { buffer, count in
        UnsafeMutableRawBufferPointer(buffer)
            .withMemoryRebound(to: UInt64.self) { words in
                for index in words.indices { words[index] = random.next() }
            }
        count = buffer.count
    }
}()
