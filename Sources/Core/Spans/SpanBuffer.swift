public import Exports
import Synchronization

/// The spans that have ended and wait to be exported: so many at most. What comes when it is full is dropped and counted.
public final class SpanBuffer: Sendable {
    private struct State {
        var spans: [SpanRecord] = []
        /// The spans that were dropped and that nobody has been told of.
        var dropped = 0
        var isClosed = false
    }

    private let limit: Int
    private let batch: Int
    private let state = Mutex(State())
    private let isFull = Signal()

    /// Keeps at most `limit` spans, which are taken `batch` at a time.
    public init(limit: Int, batch: Int) {
        self.limit = max(1, limit)
        self.batch = min(max(1, batch), self.limit)
    }

    /// Adds a span. Never waits.
    func add(_ span: SpanRecord) {
        let isBatch = state.withLock { state in
            guard !state.isClosed, state.spans.count < limit else {
                state.dropped += 1
                return false
            }
            state.spans.append(span)
            // Once, and not for each that follows.
            return state.spans.count == batch
        }
        if isBatch { isFull.fire() }
    }

    /// The next spans in the order in which they ended, as many as a batch has at most.
    public func take() -> [SpanRecord] {
        let (spans, isBatchLeft) = state.withLock { state in
            let count = min(batch, state.spans.count)
            let taken = Array(state.spans.prefix(count))
            state.spans.removeFirst(count)
            return (taken, state.spans.count >= batch)
        }
        if isBatchLeft { isFull.fire() }
        return spans
    }

    /// How many were dropped since it was asked last.
    public func takeDropped() -> Int {
        state.withLock { state in
            defer { state.dropped = 0 }
            return state.dropped
        }
    }

    /// Waits until there is a whole batch, until `interval` has passed, or until the task is cancelled.
    public func waitForBatch(atMost interval: Duration, of time: any TimeSource) async {
        await isFull.wait(until: time.now() + interval, of: time)
    }

    /// Takes no more spans: what ends from now on is dropped, and counted.
    public func close() { state.withLock { $0.isClosed = true } }
}
