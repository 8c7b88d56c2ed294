import NIOCore
import Testing
import ZlibReference

@testable import ParallelGzip

/// What comes behind a stream that ends before its end: no reader takes it, however the bytes were framed.
@Suite struct BrokenOffTests {
    static let block = GzipEncoder.blockSize

    @Test(arguments: [0, 1, 40, 300], GzipLevel.allCases)
    func aSourceThatFailsLeavesAnInvalidBlock(piecesBefore: Int, level: GzipLevel) async throws {
        for engine in GzipEngine.available {
            let bytes = rows(piecesBefore * 10_000)
            var given = 0
            var encoded: [UInt8] = []
            var last: [UInt8] = []
            var calls = 0
            await #expect(throws: Broken.self) {
                try await GzipEncoder(level: level, pool: pool, engine: engine)
                    .encode {
                        guard given < piecesBefore else { throw Broken() }
                        defer { given += 1 }
                        return ByteBuffer(bytes: bytes[(given * 10_000)..<((given + 1) * 10_000)])
                    } to: {
                        #expect(calls == 0)
                        encoded += $0.readableBytesView
                    } breakOff: {
                        calls += 1
                        last += $0.readableBytesView
                    }
            }
            #expect(calls == 1)
            let read = ZlibReading(encoded + last)
            #expect(read.fault == "invalid block type")
            #expect(bytes.starts(with: read.plain))
            // All that was taken is read before the break is.
            #expect(read.plain == ZlibReading(encoded).plain)
        }
    }

    @Test func aClientThatHasGoneGetsNothing() async throws {
        await #expect(throws: Broken.self) {
            try await GzipEncoder(level: .fast, pool: pool)
                .encode {
                    ByteBuffer(repeating: 7, count: Self.block)
                } to: { _ in
                    throw Broken()
                } breakOff: { _ in
                    Issue.record("it did")
                }
        }
    }

    /// A block of noise is handed over in two pieces; the second is not taken.
    @Test(arguments: 0...5)
    func aBlockThatWasBegunIsEndedFirst(takenPieces: Int) async throws {
        let bytes = noise(3 * Self.block)
        let (reached, reach) = AsyncStream.makeStream(of: Void.self)
        let task = Task { () -> (taken: [UInt8], last: [UInt8]) in
            var taken: [[UInt8]] = []
            var last: [UInt8] = []
            var rest = bytes[...]
            await #expect(throws: CancellationError.self) {
                try await GzipEncoder(level: .fast, pool: pool)
                    .encode {
                        guard !rest.isEmpty else { return nil }
                        defer { rest = rest.dropFirst(Self.block) }
                        return ByteBuffer(bytes: rest.prefix(Self.block))
                    } to: {
                        if taken.count == takenPieces {
                            reach.yield()
                            try await Task.sleep(for: .seconds(3600))
                        }
                        taken.append(Array($0.readableBytesView))
                    } breakOff: {
                        #expect(Task.isCancelled)
                        last += $0.readableBytesView
                    }
            }
            return (Array(taken.joined()), last)
        }
        for await _ in reached { break }
        task.cancel()
        let (taken, last) = await task.value
        #expect(last.count <= Self.block + Self.block / 8 + 16)
        let read = ZlibReading(taken + last)
        #expect(read.fault == "invalid block type")
        // Two pieces to a block.
        let blocks: Int = takenPieces / 2 + 1
        #expect(read.plain == Array(bytes.prefix(min(blocks, 3) * Self.block)))
    }

    /// The trailer would make a whole member of it.
    @Test func nothingLooksWholeWithItsLastBytes() async throws {
        let bytes = noise(Self.block - 5)
        for taken in 0...1 {
            let task = Task { () -> [UInt8] in
                var pieces: [[UInt8]] = []
                try? await GzipEncoder(level: .fast, pool: pool)
                    .encode {
                        defer { pieces.append([]) }
                        return pieces.isEmpty ? ByteBuffer(bytes: bytes) : nil
                    } to: { piece in
                        if pieces.count - 2 == taken {
                            withUnsafeCurrentTask { $0?.cancel() }
                            throw CancellationError()
                        }
                        pieces.append(Array(piece.readableBytesView))
                    } breakOff: {
                        pieces.append(Array($0.readableBytesView))
                    }
                return Array(pieces.joined())
            }
            let encoded = await task.value
            #expect(gunzip(encoded) == nil)
            #expect(ZlibReading(encoded).fault == "invalid block type")
            #expect(ZlibReading(encoded).plain == bytes)
        }
    }
}
