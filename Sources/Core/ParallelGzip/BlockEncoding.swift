import NIOCore

/// The encoding of one stream: it is read, its blocks are compressed on the threads of a pool, and the output is written, all at the
/// same time.
package struct BlockEncoding: Sendable {
    private let coder: any BlockCoder
    private let frame: any BlockFrame
    private let pace: Pace
    private let pool: CompressionPool
    private let flushAfter: Duration
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - coder: Of this stream only, where it takes one block after the other.
    ///   - flushAfter: How long a byte of the input may wait for others to come before it is compressed and handed over.
    ///   - sleep: How time passes; returns after the duration, or throws when the task is cancelled.
    package init(
        coder: any BlockCoder,
        frame: any BlockFrame,
        pace: Pace,
        pool: CompressionPool,
        flushAfter: Duration,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.coder = coder
        self.frame = frame
        self.pace = pace
        self.pool = pool
        self.flushAfter = flushAfter
        self.sleep = sleep
    }

    /// Encodes what `next` gives until it gives nil. The contract is that of `GzipEncoder.encode`.
    package func encode(
        from next: @escaping () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        let stream = BlockStream(coder, pace: pace, pool: pool)
        let source = Source(next: next)
        try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await Self.read(source, into: stream) }
                group.addTask { await watch(stream) }
                defer { group.cancelAll() }
                do {
                    try await write(stream, to: sink, breakOff: breakOff)
                    // Ends the task that watches for pauses of the input.
                    stream.fail(CancellationError())
                } catch {
                    stream.fail(error)
                    throw error
                }
            }
        } onCancel: {
            stream.fail(CancellationError())
        }
    }

    private static func read(_ source: Source, into stream: BlockStream) async {
        do {
            try await stream.waitForCapacity()
            while var piece = try await source.next() {
                while piece.readableBytes > 0 {
                    try await stream.waitForCapacity()
                    stream.fill(&piece)
                }
                try await stream.waitForCapacity()
            }
            stream.end()
        } catch {
            stream.fail(error)
        }
    }

    /// Checks every half of `flushAfter`. A block that is still being filled at the second check is compressed as it is, so that no byte
    /// waits for longer than `flushAfter`.
    private func watch(_ stream: BlockStream) async {
        var seen: Int?
        do {
            while true {
                let begun = try await stream.partialBlock()
                if seen == begun { stream.flush(begun) }
                seen = begun
                try await sleep(flushAfter / 2)
            }
        } catch {
            // The stream has ended, or has failed.
        }
    }

    private func write(
        _ stream: BlockStream,
        to sink: (ByteBuffer) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        var output = BlockOutput(frame)
        do {
            while let block = try await stream.nextOutput() {
                try output.add(block.block, isLast: block.isLast)
                let begin = ContinuousClock.now
                try await output.give(to: sink)
                stream.accepted(block, blocked: ContinuousClock.now - begin)
                if block.isLast { return }
            }
            try output.end()
            try await output.give(to: sink)
        } catch {
            if let rest = output.broken(by: error) { await breakOff(rest) }
            throw error
        }
    }

    /// Unchecked: only the reading task calls `next`, and `encode` requires that it shares no unprotected state with `sink`.
    private struct Source: @unchecked Sendable {
        let next: () async throws -> ByteBuffer?
    }
}
