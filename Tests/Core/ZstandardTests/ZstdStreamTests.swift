import ManualClock
import NIOCore
import ParallelGzip
import Synchronization
import Testing
import ZlibReference
import ZstdReference

@testable import Zstandard

/// How a stream behaves in time, and what becomes of one that ends before its end.
@Suite struct ZstdStreamTests {
    static let block = ZstdEncoder.blockSize

    @Test(arguments: ZstdLevel.allCases, [1, 4])
    func neverTakesMoreThanTheStatedMemory(level: ZstdLevel, threads: Int) async throws {
        let encoder = ZstdEncoder(level: level, pool: CompressionPool(threads: threads))
        let pulled = Atomic(0)
        var delivered = 0
        var furthestAhead = 0
        try await encoder.encode {
            let count = pulled.add(1, ordering: .relaxed).newValue
            guard count <= 24 else { return nil }
            // Each another, so that none repeats one that zstd still sees.
            return ByteBuffer(bytes: noise(Self.block, seed: UInt64(count + 1)))
        } to: {
            // A slow client: whoever wants to run ahead can.
            for _ in 0..<20 { await Task.yield() }
            delivered += $0.readableBytes
            furthestAhead = max(furthestAhead, pulled.load(ordering: .relaxed) * Self.block - delivered)
        }
        #expect(delivered > 24 * Self.block)
        // The blocks in flight, the one that is being filled, and the current piece, which is the caller's own.
        #expect(furthestAhead <= (ZstdEncoder.blocksInFlight + 2) * Self.block)
        #expect(encoder.memoryPerStream < 3600 << 10)
    }

    @Test func aPauseSendsWhatIsThere() async throws {
        let time = ManualTime()
        let encoder = ZstdEncoder(level: .fast, pool: pool) { try await time.sleep(for: $0) }
        let (input, more) = AsyncStream.makeStream(of: ByteBuffer.self)
        let (output, sent) = AsyncStream.makeStream(of: ByteBuffer.self)
        async let encoding: Void = {
            let pieces = Reading(stream: input)
            try await encoder.encode {
                await pieces.next()
            } to: {
                sent.yield($0)
            }
            sent.finish()
        }()
        var encoded: [UInt8] = []
        var plain = ""
        var pieces = output.makeAsyncIterator()
        for word in ["one,", "two,", "three"] {
            more.yield(ByteBuffer(string: word))
            plain += word
            let advancing = Task {
                while !Task.isCancelled {
                    await time.pauses(atLeast: 1)
                    time.advance(by: .seconds(1))
                }
            }
            encoded += try #require(await pieces.next()).readableBytesView
            advancing.cancel()
            await advancing.value
            let reading = ZstdReading(encoded)
            #expect(!reading.isWhole && reading.plain == Array(plain.utf8))
        }
        more.finish()
        while let piece = await pieces.next() { encoded += piece.readableBytesView }
        try await encoding
        #expect(unzstd(encoded) == Array(plain.utf8))
    }

    /// The clock cuts whenever it likes, also while the reader goes on with the next block, and at the very end.
    @Test(arguments: 0..<6)
    func cutsAtAnyMomentLoseNothing(round: Int) async throws {
        let encoder = ZstdEncoder(level: .fast, pool: pool) { _ in await Task.yield() }
        let bytes = rows(20_000 + round)
        var rest = bytes[...]
        var encoded: [UInt8] = []
        try await encoder.encode {
            await Task.yield()
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(500) }
            return ByteBuffer(bytes: rest.prefix(500))
        } to: {
            encoded += $0.readableBytesView
        }
        #expect(unzstd(encoded) == bytes)
    }

    @Test func cancellationEndsItWhereverItWaits() async throws {
        enum Place: CaseIterable { case source, sink, work }
        for place in Place.allCases {
            let (reached, reach) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                try await ZstdEncoder(level: .best, pool: pool)
                    .encode {
                        if place == .source {
                            reach.yield()
                            try await Task.sleep(for: .seconds(3600))
                        }
                        return ByteBuffer(repeating: 1, count: 100_000)
                    } to: { _ in
                        reach.yield()
                        if place == .sink { try await Task.sleep(for: .seconds(3600)) }
                    }
            }
            for await _ in reached { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    /// What `sink` got is no frame, and with what comes behind it, libzstd says that it is wrong, and not that it is short.
    @Test(arguments: [0, 1, 40, 300], ZstdLevel.allCases)
    func aSourceThatFailsLeavesAnInvalidBlock(piecesBefore: Int, level: ZstdLevel) async throws {
        let bytes = rows(piecesBefore * 10_000)
        for length in [nil, Int64(bytes.count + 10_000)] {
            var given = 0
            var encoded: [UInt8] = []
            var last: [UInt8] = []
            var calls = 0
            await #expect(throws: Broken.self) {
                try await ZstdEncoder(level: level, pool: pool)
                    .encode(length: length) {
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
            #expect(unzstd(encoded) == nil)
            for cut in [1 << 17, 1] {
                let reading = ZstdReading(encoded + last, cut: cut)
                #expect(!reading.isWhole && reading.fault != nil)
                #expect(bytes.starts(with: reading.plain))
            }
        }
    }

    /// However few bytes are missing.
    @Test func aFrameThatIsCutIsNotWhole() async throws {
        let encoded = try await ZstdEncoder(level: .fast, pool: pool).encode(rows(300_000)).bytes
        for missing in 1...20 { #expect(unzstd(Array(encoded.dropLast(missing))) == nil) }
        for part in 1..<50 { #expect(unzstd(Array(encoded.prefix(encoded.count * part / 50))) == nil) }
    }
}

/// Hands on what a stream gives, to one reader at a time.
private struct Reading: Sendable {
    let stream: AsyncStream<ByteBuffer>

    func next() async -> ByteBuffer? {
        var iterator = stream.makeAsyncIterator()
        return await iterator.next()
    }
}
