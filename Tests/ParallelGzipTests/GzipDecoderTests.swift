import NIOCore
import ParallelGzip
import Testing

@Suite struct GzipDecoderTests {
    private static let sizes = [0, 1, 65_535, 65_536, 65_537, 3_000_000]

    @Test(arguments: sizes, [1, 7, 4096, 1 << 20])
    func givesBackWhatWasEncoded(size: Int, cut: Int) async throws {
        let plain = rows(size)
        // One byte at a time through three megabytes shows nothing that fewer would not.
        if size > 1 << 20, cut < 4096 { return }
        #expect(try await decode(try await encode(plain), cut: cut) == plain)
    }

    @Test func expandsAThousandfoldInPieces() async throws {
        let plain = [UInt8](repeating: 0, count: 8 << 20)
        let encoded = try await encode(plain)
        #expect(encoded.count < plain.count / 500)
        #expect(try await decode(encoded, cut: encoded.count) == plain)
    }

    @Test(arguments: [1, 9, 10, 11, 500, 1])
    func noticesAnEarlyEnd(missing: Int) async throws {
        let encoded = try await encode(rows(100_000))
        let error = await #expect(throws: GzipError.self) {
            try await decode(Array(encoded.dropLast(missing)), cut: 4096)
        }
        #expect(error?.code == .truncated)
    }

    @Test func noticesWhatFollowsTheEnd() async throws {
        let encoded = try await encode(rows(1000))
        let error = await #expect(throws: GzipError.self) { try await decode(encoded + [0], cut: 1 << 20) }
        #expect(error?.code == .corrupt)
    }

    @Test func noticesAnyFlippedBit() async throws {
        let plain = rows(2000)
        let encoded = try await encode(plain)
        var harmless = 0
        // The header's time, effort and system are free to be anything.
        for index in encoded.indices where !(4..<10).contains(index) {
            var damaged = encoded
            damaged[index] ^= 0x10
            // The few bits that fill up a byte before the flush at the end of a block mean nothing to anyone.
            do {
                let read = try await decode(damaged, cut: 4096)
                #expect(read == plain)
                harmless += 1
            } catch is GzipError {}
        }
        #expect(harmless <= 2)
    }

    private func encode(_ bytes: [UInt8]) async throws -> [UInt8] {
        var input = bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
        var encoded: [UInt8] = []
        try await GzipEncoder(level: .best, pool: pool)
            .encode {
                defer { input = nil }
                return input
            } to: {
                encoded += $0.readableBytesView
            }
        return encoded
    }

    private func decode(_ bytes: [UInt8], cut: Int) async throws -> [UInt8] {
        var rest = bytes[...]
        var plain: [UInt8] = []
        try await GzipDecoder()
            .decode {
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(cut) }
                return ByteBuffer(bytes: rest.prefix(cut))
            } to: { chunk in
                #expect(chunk.readableBytes <= GzipDecoder.chunkSize)
                plain += chunk.readableBytesView
            }
        return plain
    }
}
