import CoreMetrics
import Exports
import Memory
import ServiceLifecycle
import Synchronization

/// Follows the changes of all exports, and tells the open streams of them: each change is read once, however many streams tell of it.
final class EventHub: Service, CustomStringConvertible {
    /// The bytes of memory that are reserved for a stream, beyond its connection. `Tests/Benchmarks/run --cases events` measures what
    /// it uses.
    static let cost = 16 << 10
    /// The most changes that are read at once.
    static let pageSize = 500
    /// The wait after a failure of the ledger.
    private static let pause = Duration.seconds(1)

    let settings: EventSettings
    let service: any ExportService
    let metrics: EventMetrics
    private let time: any TimeSource
    private let memory: MemoryBudget
    private let state: Mutex<EventRegister<EventStream>>
    private let news = Signal()

    /// Follows nothing before `run`.
    init(
        _ settings: EventSettings,
        service: any ExportService,
        memory: MemoryBudget,
        time: any TimeSource,
        metrics: any MetricsFactory
    ) {
        self.settings = settings
        self.service = service
        self.memory = memory
        self.time = time
        self.metrics = EventMetrics(factory: metrics)
        state = Mutex(EventRegister(settings: settings))
    }

    var description: String { "event streams" }

    // MARK: Streams

    /// Takes a place for a stream of a caller, by its limits. Throws `tooManyRequests` or `unavailable` where there is none.
    func place(for caller: String, by limiter: CallerLimiter) throws(GatewayError) -> EventPlace {
        let wait = try limiter.wait(of: caller)
        try state.withLock { state throws(GatewayError) in try state.takePlace(of: caller) }
        do throws(MemoryRefusal) {
            return EventPlace(caller, try memory.reserve(Self.cost, .wait, for: caller), wait, in: self)
        } catch {
            giveBackPlace(of: caller)
            throw Self.refusal(error, settings.heartbeat)
        }
    }

    func giveBackPlace(of caller: String) { state.withLock { $0.giveBackPlace(of: caller) } }

    /// Adds a stream. It is told of every change after the position that is returned; `last` is the position of a change that was
    /// committed before.
    func add(_ stream: EventStream, last: Int64) -> (key: UInt64, position: Int64) {
        let (isFirst, added) = state.withLock { state in
            let isFirst = state.position == nil
            defer { metrics.areOpen(state.count) }
            return (isFirst, state.add(stream, stream.scope, last: last, at: time.elapsed()))
        }
        // Nobody has followed the changes that came since `last`.
        if isFirst { news.fire() }
        return added
    }

    func remove(_ key: UInt64) {
        state.withLock { state in
            state.remove(key)
            // With the lock held, so that an older value never replaces a newer one.
            metrics.areOpen(state.count)
        }
    }

    private static func refusal(_ refusal: MemoryRefusal, _ retryAfter: Duration) -> GatewayError {
        switch refusal {
        case .caller:
            GatewayError(
                .tooManyRequests,
                "This caller's event streams and waits take as much memory as one caller's may. End one first.",
                retryAfter: retryAfter
            )
        case .full, .released:
            GatewayError(.unavailable, "The gateway has no memory for another event stream.", retryAfter: retryAfter)
        }
    }

    // MARK: Changes

    /// Follows the changes until the server has ended.
    func run() async throws {
        let observation = service.onChanges { [news] in news.fire() }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.follow() }
                group.addTask { await self.beat() }
            }
        }
        observation.end()
        for stream in state.withLock({ $0.streams }) { stream.end(.drain) }
    }

    private func follow() async {
        while !Task.isCancelled {
            do {
                while let next = state.withLock({ $0.next }) {
                    metrics.read()
                    let page = try await service.changes(after: next.position, limit: Self.pageSize)
                    await tell(page, of: next.reading)
                    if !page.hasMore { break }
                }
                // Whatever is not told is found at the next heartbeat.
                await news.wait(until: time.now() + settings.heartbeat, of: time)
            } catch {
                // The service has logged it. Ends at once when the task is cancelled.
                try? await time.sleep(for: Self.pause)
            }
        }
    }

    private func tell(_ page: ChangePage, of reading: Int) async {
        guard let told = state.withLock({ $0.read(page, of: reading) }) else { return }
        for (change, streams) in told {
            switch await frame(of: change) {
            case .told(let frame, let isWanted):
                for stream in streams where isWanted(stream.scope) { stream.add(frame) }
            // The purge, which follows, is told.
            case .purgedSince: break
            case .unreadable:
                for stream in streams { stream.end(.gap) }
            }
        }
        if page.isIncomplete {
            for stream in state.withLock({ $0.streams }) { stream.end(.gap) }
        }
        state.withLock { $0.told(through: page.through, of: reading) }
    }

    private enum Told {
        /// A frame, and which streams tell of it.
        case told(EventFrame, (EventScope) -> Bool)
        /// The export was purged by a later change.
        case purgedSince
        case unreadable
    }

    /// Unreadable where the export cannot be read within the time of a heartbeat, and when the task is cancelled. One export that cannot
    /// be read keeps the others' changes waiting no longer than that.
    private func frame(of change: ExportChange) async -> Told {
        let deadline = time.elapsed() + settings.heartbeat
        while !Task.isCancelled {
            do throws(GatewayError) {
                guard let export = try await service.export(after: change) else { return .unreadable }
                return .told(EventFrame(change, after: export)) { $0.takes(change, of: export) }
            } catch {
                if let tombstone = error.tombstone {
                    guard change.isPurge else { return .purgedSince }
                    return .told(EventFrame(change, purging: tombstone)) { $0.takes(change, of: tombstone) }
                }
                guard time.elapsed() < deadline else { break }
                try? await time.sleep(for: Self.pause)
            }
        }
        return .unreadable
    }

    private func beat() async {
        while !Task.isCancelled {
            // In steps, so that heartbeats are spread as the streams began.
            do { try await time.sleep(for: settings.heartbeat / 8) } catch { return }
            let (due, told) = state.withLock { ($0.due(at: time.elapsed()), $0.told) }
            for (stream, what) in due {
                switch what {
                case .beat: stream.beats(at: told)
                case .end: stream.end(.lifetime)
                }
            }
        }
    }
}

/// A place for one stream, and the stream's entry in the hub. Both end with the last reference to this object.
final class EventPlace: Sendable {
    private let caller: String
    private let reservation: MemoryReservation
    /// Its place among what waits for the caller.
    private let wait: WaitPlace?
    private let hub: EventHub
    private let key = Mutex<UInt64?>(nil)

    fileprivate init(
        _ caller: String,
        _ reservation: MemoryReservation,
        _ wait: WaitPlace?,
        in hub: EventHub
    ) {
        (self.caller, self.reservation, self.wait, self.hub) = (caller, reservation, wait, hub)
    }

    deinit {
        if let key = key.withLock(\.self) { hub.remove(key) }
        hub.giveBackPlace(of: caller)
        reservation.release()
    }

    /// Adds the stream of this place; see `EventHub.add`.
    func add(_ stream: EventStream, last: Int64) -> Int64 {
        let (key, position) = hub.add(stream, last: last)
        self.key.withLock { $0 = key }
        return position
    }
}
