import NIOCore
import Testing
import ZlibReference

@testable import ParallelGzip

@Suite struct GzipDecoderTests {
    private static let sizes = [0, 1, 65_535, 65_536, 65_537, 1_000_000]

    @Test(arguments: sizes, [1, 7, 4096, 1 << 20])
    func givesBackWhatWasEncoded(size: Int, cut: Int) async throws {
        let plain = rows(size)
        // One byte at a time through a megabyte shows nothing that fewer would not.
        if size > 1 << 17, cut < 4096 { return }
        #expect(try await decode(try await encode(plain), cut: cut) == plain)
    }

    @Test func expandsAThousandfoldInPieces() async throws {
        let plain = [UInt8](repeating: 0, count: 2 << 20)
        let encoded = try await encode(plain)
        #expect(encoded.count < plain.count / 500)
        #expect(try await decode(encoded, cut: encoded.count) == plain)
    }

    @Test(arguments: [1, 3, 1 << 20])
    func readsMembersLaidEndToEnd(cut: Int) async throws {
        let parts = [rows(1000), [], rows(70_000, seed: 2), [7]]
        var encoded: [UInt8] = []
        for part in parts { encoded += try await encode(part) }
        #expect(try await decode(encoded, cut: cut) == Array(parts.joined()))
        await #expect(throws: GzipError(code: .truncated, status: -5)) {
            try await decode(encoded.dropLast(1), cut: cut)
        }
    }

    @Test(arguments: [1, 9, 10, 11, 500])
    func noticesAnEarlyEnd(missing: Int) async throws {
        let encoded = try await encode(rows(100_000))
        let error = await #expect(throws: GzipError.self) {
            try await decode(encoded.dropLast(missing), cut: 4096)
        }
        #expect(error?.code == .truncated)
    }

    @Test func nothingIsNoMember() async throws {
        let error = await #expect(throws: GzipError.self) { try await decode([], cut: 1) }
        #expect(error?.code == .truncated)
    }

    @Test(arguments: [1, 1 << 20], [[0], [0x1F, 0], Array("hello".utf8)])
    func noticesWhatFollowsTheEnd(cut: Int, rest: [UInt8]) async throws {
        let encoded = try await encode(rows(1000))
        let error = await #expect(throws: GzipError.self) { try await decode(encoded + rest, cut: cut) }
        #expect(error?.code == .corrupt)
    }

    @Test func noticesAnyFlippedBit() async throws {
        let plain = rows(500)
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

    @Test func givesUpAtTheLength() async throws {
        let plain = [UInt8](repeating: 7, count: 300_000)
        let encoded = try await encode(plain)
        #expect(try await decode(encoded, cut: 100, .init(length: 300_000)) == plain)
        let error = await #expect(throws: GzipError.self) {
            try await decode(encoded, cut: 100, .init(length: 299_999))
        }
        #expect(error?.code == .tooLong)
    }

    @Test func givesUpAtTheRatio() async throws {
        let plain = [UInt8](repeating: 7, count: 3 << 20)
        let encoded = try await encode(plain)
        let ratio = plain.count / encoded.count
        #expect(ratio > 100)
        #expect(try await decode(encoded, cut: 1 << 20, .init(ratio: ratio * 2)) == plain)
        let error = await #expect(throws: GzipError.self) { try await decode(encoded, cut: 100, .init(ratio: 20)) }
        #expect(error?.code == .tooDense)
        // Below the threshold nothing is an attack.
        let small = [UInt8](repeating: 7, count: 1 << 20)
        #expect(try await decode(try await encode(small), cut: 100, .init(ratio: 20)) == small)
    }

    @Test func errorsOfSourceAndSinkComeOut() async throws {
        await #expect(throws: Broken.self) {
            try await GzipDecoder()
                .decode {
                    throw Broken()
                } to: { _ in
                }
        }
        var input: ByteBuffer? = ByteBuffer(bytes: try await encode(rows(100)))
        await #expect(throws: Broken.self) {
            try await GzipDecoder()
                .decode {
                    input.take()
                } to: { _ in
                    throw Broken()
                }
        }
    }

    private func encode(_ bytes: [UInt8]) async throws -> [UInt8] {
        try await GzipEncoder(level: .best, pool: pool).encode(bytes).bytes
    }
}

/// What our decoder makes of `bytes` in pieces of `cut`.
func decode(_ bytes: [UInt8], cut: Int, _ limits: GzipDecoder.Limits = .init()) async throws -> [UInt8] {
    var rest = bytes[...]
    var plain: [UInt8] = []
    try await GzipDecoder(limits: limits)
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
