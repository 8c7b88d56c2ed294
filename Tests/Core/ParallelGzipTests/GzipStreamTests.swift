import ManualClock
import NIOCore
import Synchronization
import Testing
import ZlibReference

@testable import ParallelGzip

/// How a stream behaves in time: back-pressure, pauses, cancellation.
@Suite struct GzipStreamTests {
    static let block = GzipEncoder.blockSize
    /// It repeats further back than deflate looks: what comes out is as long as what goes in.
    static let incompressible = ByteBuffer(bytes: noise(block))

    @Test(arguments: GzipLevel.allCases, [1, 2, 4])
    func neverTakesMoreThanTheStatedMemory(level: GzipLevel, threads: Int) async throws {
        let encoder = GzipEncoder(level: level, pool: CompressionPool(threads: threads))
        #expect(encoder.memoryPerStream <= (threads + 3) * (330 << 10) + (64 << 10))
        let pulled = Atomic(0)
        var delivered = 0
        var furthestAhead = 0
        try await encoder.encode {
            let count = pulled.add(1, ordering: .relaxed).newValue
            return count <= 24 ? Self.incompressible : nil
        } to: {
            // A slow client: whoever wants to run ahead can.
            for _ in 0..<20 { await Task.yield() }
            delivered += $0.readableBytes
            furthestAhead = max(furthestAhead, pulled.load(ordering: .relaxed) * Self.block - delivered)
        }
        #expect(delivered > 24 * Self.block)
        // The current piece is the caller's own.
        #expect(furthestAhead <= encoder.memoryPerStream + Self.block)
    }

    @Test func aPauseSendsWhatIsThere() async throws {
        let time = ManualTime()
        let encoder = GzipEncoder(level: .fast, pool: pool) { try await time.sleep(for: $0) }
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
        var pieces = output.makeAsyncIterator()
        for word in ["one,", "two,", "three"] {
            more.yield(ByteBuffer(string: word))
            let advancing = Task {
                while !Task.isCancelled {
                    await time.pauses(atLeast: 1)
                    time.advance(by: .seconds(1))
                }
            }
            encoded += try #require(await pieces.next()).readableBytesView
            advancing.cancel()
            await advancing.value
            #expect(gunzip(encoded) == nil)
        }
        more.finish()
        while let piece = await pieces.next() { encoded += piece.readableBytesView }
        try await encoding
        #expect(gunzip(encoded) == Array("one,two,three".utf8))
    }

    /// The clock cuts whenever it likes, also while the reader goes on with the next block, and at the very end.
    @Test(arguments: 0..<6)
    func cutsAtAnyMomentLoseNothing(round: Int) async throws {
        let encoder = GzipEncoder(level: .fast, pool: pool) { _ in await Task.yield() }
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
        #expect(gunzip(encoded) == bytes)
    }

    @Test func cancellationEndsItWhereverItWaits() async throws {
        enum Place: CaseIterable { case source, sink, work }
        for place in Place.allCases {
            let (reached, reach) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                try await GzipEncoder(level: .best, pool: pool)
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

    @Test func aCancelledTaskDoesNotBegin() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await GzipEncoder(level: .fast, pool: pool)
                .encode {
                    nil
                } to: { _ in
                    Issue.record("it did")
                }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// More streams than threads: each gets its own bytes, in order.
    @Test(arguments: [1, 3])
    func streamsShareAPool(threads: Int) async throws {
        let pool = CompressionPool(threads: threads)
        try await withThrowingTaskGroup { group in
            for seed in UInt64(1)...8 {
                group.addTask {
                    let bytes = rows(700_000, seed: seed)
                    let level = GzipLevel.allCases[Int(seed) % GzipLevel.allCases.count]
                    let encoded = try await GzipEncoder(level: level, pool: pool).encode(bytes).bytes
                    #expect(gunzip(encoded) == bytes)
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func aPoolHasAtLeastOneThread() async throws {
        let pool = CompressionPool(threads: -1)
        #expect(pool.threads == 1)
        #expect(gunzip(try await GzipEncoder(level: .fast, pool: pool).encode([1, 2]).bytes) == [1, 2])
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
