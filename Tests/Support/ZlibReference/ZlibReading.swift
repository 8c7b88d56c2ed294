import CZlib

/// What zlib, another program than ours, reads of gzip bytes.
public struct ZlibReading {
    /// The bytes before the end, or before what zlib finds wrong.
    public private(set) var plain: [UInt8] = []
    /// What zlib finds wrong, in its own words.
    public private(set) var fault: String?
    /// Whether one member was read to its end, with the right checksum and length.
    public private(set) var isWhole = false
    /// How many bytes the member has.
    public private(set) var length = 0

    /// Reads the member that begins at `offset`, until there are more than `limit` bytes.
    public init(_ bytes: [UInt8], from offset: Int = 0, limit: Int = .max) {
        var stream = z_stream()
        var input = bytes
        var block = [UInt8](repeating: 0, count: 1 << 17)
        withUnsafeMutablePointer(to: &stream) { stream in
            guard CZlib_inflateInit2(stream, 16 + MAX_WBITS) == Z_OK else { return }
            defer { inflateEnd(stream) }
            input.withUnsafeMutableBufferPointer { source in
                guard let start = source.baseAddress else { return }
                // All of the input at once.
                stream.pointee.next_in = start + offset
                stream.pointee.avail_in = uInt(source.count - offset)
                var status = Z_OK
                while status == Z_OK, plain.count <= limit {
                    let count = block.withUnsafeMutableBufferPointer { target in
                        stream.pointee.next_out = target.baseAddress
                        stream.pointee.avail_out = uInt(target.count)
                        status = inflate(stream, Z_NO_FLUSH)
                        return target.count - Int(stream.pointee.avail_out)
                    }
                    plain.append(contentsOf: block[..<count])
                }
                isWhole = status == Z_STREAM_END
                length = source.count - offset - Int(stream.pointee.avail_in)
                if status == Z_DATA_ERROR, let message = stream.pointee.msg { fault = String(cString: message) }
            }
        }
    }
}

/// What zlib reads of one whole gzip member.
///
/// Nil for anything but exactly one complete member with the right checksum and length.
public func gunzip(_ bytes: [UInt8]) -> [UInt8]? {
    let member = ZlibReading(bytes)
    return member.isWhole && member.length == bytes.count ? member.plain : nil
}

/// The same for any number of members, at least one; nil too for more than `limit` bytes.
public func gunzip(members bytes: [UInt8], limit: Int = .max) -> [UInt8]? {
    var plain: [UInt8] = []
    var offset = 0
    repeat {
        let member = ZlibReading(bytes, from: offset, limit: limit - plain.count)
        plain += member.plain
        guard member.isWhole, plain.count <= limit else { return nil }
        offset += member.length
    } while offset < bytes.count
    return plain
}

/// The bytes as one gzip member, made by zlib.
public func gzipped(_ bytes: [UInt8]) -> [UInt8] {
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
