public import Exports
public import Logging
public import Metrics
public import Spans
import Synchronization

/// Sends the spans that have ended to a collector, some hundreds at a time.
///
/// One request is under way at a time. What the collector cannot take is sent again, three times at most; meanwhile further spans wait
/// in the buffer, which is bounded. Every span that is not delivered is counted.
public final class SpanExporter: Sendable {
    /// When spans are sent.
    public struct Settings: Sendable, Hashable {
        /// The longest that a span waits for others to be sent with it.
        public var interval = Duration.seconds(5)
        /// The longest that one request may take, and that the last spans may take when the gateway ends.
        public var timeout = Duration.seconds(10)

        /// Every five seconds.
        public init() {}
    }

    /// What became of spans; the raw value is the metric's `outcome`.
    enum Outcome: String, CaseIterable {
        case exported
        /// The buffer was full.
        case dropped
        /// The collector did not take them in time, or refused the request.
        case failed
        /// The collector refused these of a request.
        case rejected
    }

    private struct State {
        /// Spans that were taken from the buffer and are not delivered yet.
        var inHand: [SpanRecord] = []
        /// Whether the last request failed, so that the log has it already.
        var isFailing = false
    }

    static let mostAttempts = 4
    static let longestWait = Duration.seconds(30)

    private let tracer: GatewayTracer
    private let buffer: SpanBuffer
    private let collector: any SpanCollector
    private let settings: Settings
    private let resource: [(name: String, value: String)]
    private let time: any TimeSource
    private let logger: Logger
    private let counters: [Outcome: Counter]
    private let state = Mutex(State())

    /// Makes an exporter of a tracer's spans; nil for a tracer that records nothing.
    ///
    /// - Parameter resource: What is said of the gateway itself, such as `service.name`.
    public init?(
        _ tracer: GatewayTracer,
        to collector: any SpanCollector,
        settings: Settings,
        resource: [(name: String, value: String)],
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        guard let buffer = tracer.buffer else { return nil }
        self.tracer = tracer
        self.buffer = buffer
        self.collector = collector
        self.settings = settings
        self.resource = resource
        self.time = time
        self.logger = logger
        counters = Dictionary(
            uniqueKeysWithValues: Outcome.allCases.map { outcome in
                (
                    outcome,
                    Counter(
                        label: "export_gateway_spans_total",
                        dimensions: [("outcome", outcome.rawValue)],
                        factory: metrics
                    )
                )
            }
        )
    }

    /// Sends spans until the task is cancelled. What is under way then is left to ``finish()``.
    public func run() async {
        while !Task.isCancelled {
            await buffer.waitForBatch(atMost: settings.interval, of: time)
            guard !Task.isCancelled else { return }
            tracer.adjustClock()
            countDropped()
            await deliver(buffer.take())
        }
    }

    /// Sends what is left, each request once, for as long as `timeout`. To be called when nothing makes spans any more, and once.
    public func finish() async {
        buffer.close()
        countDropped()
        let end = time.elapsed() + settings.timeout
        var batch = state.withLock { state in
            defer { state.inHand = [] }
            return state.inHand
        }
        if batch.isEmpty { batch = buffer.take() }
        while !batch.isEmpty {
            let rest = end - time.elapsed()
            var isTaken = false
            if rest > .zero, !Task.isCancelled, case .taken(let rejected) = await send(batch, within: rest) {
                count(batch, rejected: rejected)
                isTaken = true
            }
            guard isTaken else {
                // The rest would not be taken either.
                count(.failed, batch.count)
                while case let left = buffer.take(), !left.isEmpty { count(.failed, left.count) }
                return
            }
            batch = buffer.take()
        }
    }

    /// Sends a batch, again where the collector is busy.
    private func deliver(_ batch: [SpanRecord]) async {
        guard !batch.isEmpty else { return }
        state.withLock { $0.inHand = batch }
        for attempt in 1...Self.mostAttempts {
            let answer = await send(batch, within: settings.timeout)
            // The end of the gateway has cancelled it: `finish` sends the batch again.
            if Task.isCancelled, case .busy = answer { return }
            switch answer {
            case .taken(let rejected):
                count(batch, rejected: rejected)
                report(nil)
                return letGo()
            case .refused(let reason):
                report(reason)
                return fail(batch)
            case .busy(let reason, let retryAfter):
                report(reason)
                guard attempt < Self.mostAttempts else { return fail(batch) }
                let wait = min(retryAfter ?? .seconds(1 << (attempt - 1)), Self.longestWait)
                do { try await time.sleep(for: wait) } catch { return }
                countDropped()
            }
        }
    }

    private func send(_ batch: [SpanRecord], within limit: Duration) async -> CollectorAnswer {
        await collector.send(OTLPRequest.bytes(batch, resource: resource), timeout: limit)
    }

    private func letGo() { state.withLock { $0.inHand = [] } }

    private func fail(_ batch: [SpanRecord]) {
        count(.failed, batch.count)
        letGo()
    }

    private func countDropped() { count(.dropped, buffer.takeDropped()) }

    private func count(_ batch: [SpanRecord], rejected: Int) {
        let rejected = min(max(0, rejected), batch.count)
        count(.exported, batch.count - rejected)
        count(.rejected, rejected)
    }

    private func count(_ outcome: Outcome, _ spans: Int) {
        if spans > 0 { counters[outcome]?.increment(by: spans) }
    }

    /// Logs when the collector begins to fail, and when it works again.
    private func report(_ reason: String?) {
        let wasFailing = state.withLock { state in
            defer { state.isFailing = reason != nil }
            return state.isFailing
        }
        switch (wasFailing, reason) {
        case (false, let reason?): logger.warning("Spans cannot be exported", metadata: ["reason": .string(reason)])
        case (true, nil): logger.notice("Spans are exported again")
        default: break
        }
    }
}
