import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Sends one stream. Little is kept in memory for it while it waits: thousands may. A class, because a value would be copied into
/// each of the calls that wait.
final class EventBody: Sendable {
    /// How the stream begins. It is taken once, so that its memory is not kept for as long as the stream lasts.
    final class Beginning: Sendable {
        /// What is sent first.
        private let text: Mutex<ByteBuffer?>
        /// The stream's own changes begin after this position.
        let through: Int64
        /// The position after which the client has missed changes, up to `through`; nil after a snapshot.
        let missedSince: Int64?
        /// Whether nothing follows.
        let isOver: Bool

        init(_ text: ByteBuffer?, through: Int64, missedSince: Int64? = nil, isOver: Bool = false) {
            self.text = Mutex(text)
            (self.through, self.missedSince, self.isOver) = (through, missedSince, isOver)
        }

        convenience init(_ snapshot: EventOpening.Snapshot) {
            self.init(snapshot.text, through: snapshot.through, isOver: snapshot.isOver)
        }

        func take() -> ByteBuffer? {
            text.withLock { text in
                defer { text = nil }
                return text
            }
        }
    }

    /// The most changes that are read at once for one stream: their texts wait in memory until the client has them.
    private static let pageSize = 16

    let stream: EventStream
    let place: EventPlace
    let opening: EventOpening
    let beginning: Beginning
    let caller: EventCaller
    let retry: Duration
    /// The most rows that are read for a client that is behind. One that is further behind gets a snapshot.
    let replayLimit: Int
    let metrics: EventMetrics

    init(
        _ stream: EventStream,
        in place: EventPlace,
        opening: EventOpening,
        beginning: Beginning,
        caller: EventCaller,
        retry: Duration,
        replayLimit: Int,
        metrics: EventMetrics
    ) {
        (self.stream, self.place, self.opening, self.beginning) = (stream, place, opening, beginning)
        (self.caller, self.retry, self.replayLimit, self.metrics) = (caller, retry, replayLimit, metrics)
    }

    /// Writes the stream until it ends. Throws where the client has left, or reads too slowly (`SlowReaderHandler`): the answer is then
    /// broken off.
    ///
    /// A connection whose task is cancelled is closed, so that this hears of it like of a client that leaves.
    func write(to writer: inout any ResponseBodyWriter, on channel: any Channel) async throws {
        let (stream, presence) = (stream, await ConnectionHandler.presence(on: channel))
        let watch = presence?.watch(leaves: { stream.end(.client) }, stops: { stream.end(.drain) })
        defer { if let watch { presence?.end(watch) } }
        metrics.ended(try await send(to: &writer))
        try await writer.finish(nil)
    }

    private func send(to writer: inout any ResponseBodyWriter) async throws -> EventQueue.End {
        do {
            try await writer.write(EventText.retry(retry))
            if let text = beginning.take() {
                metrics.sentSnapshot()
                try await writer.write(text)
            }
            if beginning.isOver { return .complete }
            var position = beginning.missedSince ?? beginning.through
            if let end = try await sendMissed(after: &position, through: beginning.through, to: &writer) { return end }
            return try await sendChanges(after: position, to: &writer)
        } catch {
            stream.end(.client)
            // Why it ended first.
            if case .end(let reason) = await stream.next() { metrics.ended(reason) }
            throw error
        }
    }

    /// Sends what the client has missed; a snapshot, where that cannot be read. Returns why the stream ends with it, if it does.
    private func sendMissed(
        after position: inout Int64,
        through: Int64,
        to writer: inout any ResponseBodyWriter
    ) async throws -> EventQueue.End? {
        while position < through {
            if let end = stream.ended { return end }
            guard await caller.mayGoOn() else { return .caller }
            var page = EventOpening.Page(through: position, isIncomplete: through - position > Int64(replayLimit))
            var snapshot: EventOpening.Snapshot?
            do throws(GatewayError) {
                if !page.isIncomplete {
                    page = try await opening.page(after: position, through: through, limit: Self.pageSize)
                }
                if page.isIncomplete { snapshot = try await opening.snapshot(last: through, begun: through) }
            } catch {
                // The client comes back with what it has.
                return .failure
            }
            if let snapshot {
                metrics.sentSnapshot()
                try await writer.write(snapshot.text)
                position = snapshot.through
                return snapshot.isOver ? .complete : nil
            }
            for frame in page.frames {
                if try await send(frame, to: &writer) { return .complete }
            }
            position = page.through
        }
        return nil
    }

    private func sendChanges(
        after begun: Int64,
        to writer: inout any ResponseBodyWriter
    ) async throws -> EventQueue.End {
        var position = begun
        while true {
            switch await stream.next() {
            case .send(let frame):
                guard frame.position > position else { continue }
                position = frame.position
                if try await send(frame, to: &writer) { return .complete }
            case .catchUp(let through):
                metrics.caughtUp()
                if let end = try await sendMissed(after: &position, through: through, to: &writer) { return end }
            case .check:
                guard await caller.mayGoOn() else { return .caller }
            case .beat(let told):
                let isNew = told > position
                position = max(told, position)
                try await writer.write(EventText.heartbeat(at: isNew ? position : nil))
            case .end(let reason):
                return reason
            }
        }
    }

    /// Returns whether the stream ends with it.
    private func send(_ frame: EventFrame, to writer: inout any ResponseBodyWriter) async throws -> Bool {
        if case .export = stream.scope, let end = frame.end {
            metrics.sentSnapshot()
            try await writer.write(opening.text(of: end, at: frame.position))
            return true
        }
        metrics.sentChange()
        try await writer.write(frame.text)
        // Nothing follows a purge.
        if case .export = stream.scope { return frame.change.isPurge }
        return false
    }
}

/// Whether the caller of a stream may still have it.
struct EventCaller: Sendable {
    let callers: CurrentCallers
    /// The request's lines of `Authorization`.
    let credentials: HTTPFields
    let channel: any Channel
    let caller: Caller

    /// False where the credential is not valid any more, or says something else than before, and where it cannot be checked.
    func mayGoOn() async -> Bool {
        let authentication = callers.current.authentication
        guard let now = try? await authentication.caller(of: credentials, on: channel) else { return false }
        return now == caller
    }
}
