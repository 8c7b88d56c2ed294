import NIOCore

@testable import ParallelGzip

/// Two threads for all tests that do not ask for another number.
let pool = CompressionPool(threads: 2)

/// What an encoder handed over.
struct Encoded {
    var pieces: [[UInt8]] = []
    var bytes: [UInt8] { Array(pieces.joined()) }
}

extension GzipEncoder {
    /// Encodes `bytes` given in pieces of `cut` bytes.
    func encode(_ bytes: [UInt8], cut: Int = 64 << 10) async throws -> Encoded {
        var rest = bytes[...]
        var encoded = Encoded()
        try await encode {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(cut) }
            return ByteBuffer(bytes: rest.prefix(cut))
        } to: {
            encoded.pieces.append(Array($0.readableBytesView))
        }
        return encoded
    }
}

struct Broken: Error {}
