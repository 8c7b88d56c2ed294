import CZlib
import NIOCore
import Testing

import ParallelGzip

/// Encodes `bytes` given in pieces of `piece` bytes, and returns the chunks as they were handed over.
private func chunks(of bytes: [UInt8], piece: Int, level: Int = 6) async throws -> [[UInt8]] {
    var offset = 0
    var chunks: [[UInt8]] = []
    try await GzipEncoder(level: level)
        .encode {
            guard offset < bytes.count else { return nil }
            let end = min(bytes.count, offset + piece)
            defer { offset = end }
            return ByteBuffer(bytes: bytes[offset..<end])
        } to: {
            chunks.append(Array($0.readableBytesView))
        }
    return chunks
}

private struct Broken: Error {}

@Suite struct GzipEncoderTests {
    static let sizes = [0, 1, 2, 65_535, 65_536, 65_537, 10 << 20]

    @Test(arguments: sizes)
    func anotherProgramReadsTheSameBytes(size: Int) async throws {
        let bytes = rows(size)
        #expect(gunzip(try await chunks(of: bytes, piece: 40_000).flatMap(\.self)) == bytes)
    }

    @Test(arguments: sizes.dropLast() + [1 << 20])
    func incompressibleBytesSurvive(size: Int) async throws {
        let bytes = noise(size)
        let encoded = try await chunks(of: bytes, piece: 1 << 18)
        #expect(gunzip(encoded.flatMap(\.self)) == bytes)
        #expect(encoded.allSatisfy { !$0.isEmpty && $0.count <= GzipEncoder.chunkSize })
        #expect(encoded.dropLast().allSatisfy { $0.count == GzipEncoder.chunkSize })
    }

    @Test(arguments: 1...9)
    func everyLevelWorks(level: Int) async throws {
        let bytes = rows(300_000)
        let encoded = try await chunks(of: bytes, piece: 64 << 10, level: level).flatMap(\.self)
        #expect(gunzip(encoded) == bytes)
        #expect(encoded.count < bytes.count / 2)
    }

    @Test func levelsOutsideCountAsTheNearest() {
        #expect(GzipEncoder(level: -3).level == 1)
        #expect(GzipEncoder(level: 0).level == 1)
        #expect(GzipEncoder(level: 12).level == 9)
    }

    @Test func headerTellsNothingOfTimeAndPlace() async throws {
        let encoded = try await chunks(of: rows(100), piece: 100).flatMap(\.self)
        #expect(encoded.prefix(10) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
        #expect(try await chunks(of: [], piece: 1).flatMap(\.self).count == 20)
    }

    @Test(arguments: [1, 7, 1000, 65_536, 1 << 20])
    func outputDoesNotDependOnHowInputIsCut(piece: Int) async throws {
        let bytes = rows(200_000) + noise(100_000)
        let whole = try await chunks(of: bytes, piece: bytes.count)
        #expect(try await chunks(of: bytes, piece: piece) == whole)
    }

    @Test func emptyPiecesDoNotEndTheStream() async throws {
        var pieces = [ByteBuffer(), ByteBuffer(string: "a"), ByteBuffer(), ByteBuffer(string: "b"), ByteBuffer()][...]
        var encoded: [UInt8] = []
        try await GzipEncoder(level: 6)
            .encode {
                pieces.popFirst()
            } to: {
                encoded += Array($0.readableBytesView)
            }
        #expect(gunzip(encoded) == Array("ab".utf8))
    }

    @Test(arguments: [0, 1, 40])
    func brokenSourceLeavesNoCompleteMember(piecesBefore: Int) async throws {
        let bytes = noise(40 * 10_000)
        var given = 0
        var encoded: [UInt8] = []
        await #expect(throws: Broken.self) {
            try await GzipEncoder(level: 6)
                .encode {
                    guard given < piecesBefore else { throw Broken() }
                    defer { given += 1 }
                    return ByteBuffer(bytes: bytes[(given * 10_000)..<((given + 1) * 10_000)])
                } to: {
                    encoded += Array($0.readableBytesView)
                }
        }
        #expect(gunzip(encoded) == nil)
    }

    @Test func goneReaderStopsTheSource() async throws {
        var pulled = 0
        await #expect(throws: Broken.self) {
            try await GzipEncoder(level: 1)
                .encode {
                    pulled += 1
                    return ByteBuffer(bytes: noise(64 << 10, seed: UInt64(pulled)))
                } to: { _ in
                    throw Broken()
                }
        }
        // The first chunk is full in the middle of the second piece: noise does not get smaller.
        #expect(pulled == 2)
    }

    @Test func cancelledTaskStops() async throws {
        let task = Task {
            try await GzipEncoder(level: 6)
                .encode {
                    ByteBuffer(repeating: 0, count: 1 << 16)
                } to: { _ in
                }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// However much comes out of one piece, it is handed over in chunks, and the next piece is asked for only when
    /// all of them were taken.
    @Test func handsOverBeforeItAsksForMore() async throws {
        var events: [Character] = []
        var left = 3
        try await GzipEncoder(level: 6)
            .encode {
                events.append("n")
                guard left > 0 else { return nil }
                left -= 1
                return ByteBuffer(bytes: noise(200_000, seed: UInt64(left)))
            } to: { _ in
                events.append("s")
            }
        #expect(String(events) == "nsssnsssnsssns")
    }
}
