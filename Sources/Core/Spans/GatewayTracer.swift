public import Exports
import Synchronization
public import Tracing

/// Makes the spans of one gateway, and keeps those that have ended until they are exported.
///
/// It is a tracer of swift-distributed-tracing, handed in wherever spans are made: nothing is bootstrapped. The span that a task works
/// for is in its `ServiceContext`. A span is made only where its trace is recorded; everywhere else there is nil, which costs nothing.
public final class GatewayTracer: Tracer {
    public typealias Span = GatewaySpan

    /// What is recorded, and how much of it is kept.
    public struct Settings: Sendable, Hashable {
        /// The part of all traces that is recorded.
        public var ratio = 0.1
        /// How many traces callers may have recorded in a second by the `sampled` flag of their `traceparent`, whatever the ratio; 0:
        /// the ratio decides about theirs too.
        public var callersPerSecond = 10
        /// How many spans wait to be exported, at most.
        public var queueLimit = 2048
        /// How many spans are exported at a time, at most.
        public var batchSize = 512

        /// One trace in ten.
        public init() {}
    }

    private struct Recording {
        var sampler: TraceSampler
        var forced: ForcedTraces
        var buffer: SpanBuffer
        var time: any TimeSource
        var salt: UInt64
    }

    /// Nil where nothing is recorded.
    private let recording: Recording?
    /// The state of the generator of ids.
    private let sequence: Atomic<UInt64>
    /// What has to be added to `TimeSource.elapsed` for the nanoseconds since 1970.
    private let offset: Atomic<Int64>

    /// Makes a tracer.
    ///
    /// - Parameters:
    ///   - time: Its wall clock has milliseconds only, so durations are taken from the other one.
    ///   - random: Uniform 64-bit numbers: two gateways must not make the same ids.
    public init(_ settings: Settings, time: any TimeSource, random: Randomness) {
        recording = Recording(
            sampler: TraceSampler(ratio: settings.ratio),
            forced: ForcedTraces(perSecond: settings.callersPerSecond),
            buffer: SpanBuffer(limit: settings.queueLimit, batch: settings.batchSize),
            time: time,
            salt: random.number64()
        )
        sequence = Atomic(random.number64())
        offset = Atomic(Self.offset(of: time))
    }

    /// A tracer that records nothing.
    public init() {
        recording = nil
        sequence = Atomic(0)
        offset = Atomic(0)
    }

    /// The spans that have ended; nil where nothing is recorded.
    public var buffer: SpanBuffer? { recording?.buffer }

    // MARK: Spans of this gateway

    /// The span of a request, if it is recorded.
    ///
    /// A request without `traceparent` begins a trace, and the ratio decides. With one, it belongs to its caller's trace, and the
    /// caller's flag decides; where too many callers have set it in this second, or `mayForce` is false, the ratio decides by the
    /// trace's id.
    ///
    /// - Parameters:
    ///   - name: The method and the route.
    ///   - start: A time of `TimeSource.elapsed`.
    ///   - traceparent: The field of the request, where it has one.
    ///   - mayForce: Whether the caller is known.
    public func request(
        _ name: @autoclosure () -> String,
        at start: Duration,
        traceparent: String?,
        mayForce: Bool
    ) -> GatewaySpan? {
        guard let recording else { return nil }
        guard let caller = traceparent.flatMap({ TraceContext(traceparent: $0) }) else {
            return root(name(), .server, start: start)
        }
        guard caller.isSampled,
            recording.sampler.samples(caller.trace) || mayForce && recording.forced.take(at: start)
        else { return nil }
        return made(
            name(),
            .server,
            in: caller.trace,
            below: caller.span,
            isRemote: true,
            start: nanoseconds(of: start)
        )
    }

    /// A part of `parent`; nil where that is.
    public func span(_ name: SpanName, in parent: GatewaySpan? = .current) -> GatewaySpan? {
        part(of: parent, name.rawValue, .internal)
    }

    /// A call of another server, as a part of the current span; nil where that is.
    public func call(_ name: @autoclosure () -> String) -> GatewaySpan? { part(of: .current, name(), .client) }

    private func part(of parent: GatewaySpan?, _ name: @autoclosure () -> String, _ kind: SpanKind) -> GatewaySpan? {
        guard let parent else { return nil }
        return made(name(), kind, in: parent.trace.trace, below: parent.trace.span, base: parent.context)
    }

    /// The root of an export's trace; nil where the trace is not recorded.
    public func context(of export: ExportID) -> TraceContext? {
        guard let recording, let root = TraceContext(of: export, isSampled: true), recording.sampler.samples(root.trace)
        else { return nil }
        return root
    }

    /// A step of an export's life, in the export's trace; nil where that is not recorded.
    ///
    /// - Parameter start: When it began, if that was before now.
    public func span(_ name: SpanName, of export: ExportID, from start: Timestamp? = nil) -> GatewaySpan? {
        guard let root = context(of: export) else { return nil }
        let start = start.map { UInt64(max(0, $0.milliseconds)) * 1_000_000 }
        let span = made(name.rawValue, .internal, in: root.trace, below: root.span, start: start)
        span.set(.export, export.description)
        return span
    }

    /// The root of the trace of an export that is being created; nil where the trace is not recorded.
    public func creation(of export: ExportID) -> GatewaySpan? {
        guard let root = context(of: export) else { return nil }
        let record = SpanRecord(context: root, name: SpanName.create.rawValue, kind: .internal, start: now, end: 0)
        let span = GatewaySpan(record, root, name: record.name, base: .topLevel, tracer: self)
        span.set(.export, export.description)
        return span
    }

    /// The first span of a trace that is recorded for the sake of others, to which it links.
    public func root(_ name: SpanName, linkedTo others: [TraceContext]) -> GatewaySpan? {
        guard recording != nil else { return nil }
        let span = made(name.rawValue, .internal, in: nextTraceID(), below: nil)
        for other in others { span.link(other) }
        return span
    }

    /// The first span of a trace, if the ratio says that it is recorded.
    private func root(_ name: @autoclosure () -> String, _ kind: SpanKind, start: Duration) -> GatewaySpan? {
        let low = nextID()
        guard let recording, recording.sampler.samples(low: low),
            let trace = TraceID(high: nextID() ^ recording.salt, low: low)
        else { return nil }
        return made(name(), kind, in: trace, below: nil, start: nanoseconds(of: start))
    }

    private func made(
        _ name: String,
        _ kind: SpanKind,
        in trace: TraceID,
        below parent: SpanID?,
        isRemote: Bool = false,
        start: UInt64? = nil,
        base: ServiceContext = .topLevel
    ) -> GatewaySpan {
        let context = TraceContext(trace: trace, span: nextSpanID(), isSampled: true)
        let record = SpanRecord(
            context: context,
            parent: parent,
            isParentRemote: isRemote,
            name: name,
            kind: kind,
            start: start ?? now,
            end: 0
        )
        return GatewaySpan(record, context, name: name, base: base, tracer: self)
    }

    func ended(_ record: SpanRecord) { recording?.buffer.add(record) }

    // MARK: Ids

    /// The next of a sequence of numbers that look random (SplitMix64: https://doi.org/10.1145/2714064.2660195). Ids of traces are no
    /// secrets, and the system's secure source would cost more than all else here.
    private func nextID() -> UInt64 {
        var number = sequence.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
        return number ^ number >> 31
    }

    private func nextSpanID() -> SpanID {
        while true {
            if let id = SpanID(nextID()) { return id }
        }
    }

    private func nextTraceID() -> TraceID {
        let salt = recording?.salt ?? 0
        while true {
            if let id = TraceID(high: nextID() ^ salt, low: nextID()) { return id }
        }
    }

    // MARK: Time

    /// Nanoseconds since 1970.
    var now: UInt64 { recording.map { nanoseconds(of: $0.time.elapsed()) } ?? 0 }

    private func nanoseconds(of elapsed: Duration) -> UInt64 {
        UInt64(max(0, Self.nanoseconds(elapsed) + offset.load(ordering: .relaxed)))
    }

    /// Follows the wall clock, where it was set or runs at another speed. Times of spans do not jump for less than 10 ms.
    public func adjustClock() {
        guard let time = recording?.time else { return }
        let new = Self.offset(of: time)
        guard abs(new - offset.load(ordering: .relaxed)) > 10_000_000 else { return }
        offset.store(new, ordering: .relaxed)
    }

    private static func offset(of time: any TimeSource) -> Int64 {
        time.now().milliseconds * 1_000_000 - nanoseconds(time.elapsed())
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

// MARK: - swift-distributed-tracing

extension GatewayTracer {
    public func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> GatewaySpan {
        let base = context()
        let start = instant().nanosecondsSinceEpoch
        if let place = base.place, place.context.isSampled, recording != nil {
            return made(
                operationName,
                kind,
                in: place.context.trace,
                below: place.context.span,
                isRemote: place.span == nil,
                start: start,
                base: base
            )
        }
        let trace = base.place?.context.trace ?? nextTraceID()
        if base.place == nil, recording?.sampler.samples(trace) == true {
            return made(operationName, kind, in: trace, below: nil, start: start, base: base)
        }
        let unrecorded = TraceContext(trace: trace, span: nextSpanID(), isSampled: false)
        return GatewaySpan(nil, unrecorded, name: operationName, base: base, tracer: self)
    }

    public func activeSpan(identifiedBy context: ServiceContext) -> GatewaySpan? { context.place?.span }

    /// Spans are exported by their own service, which ends after everything that makes them.
    public func forceFlush() {}

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier,
        into context: inout ServiceContext,
        using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let text = extractor.extract(key: TraceContext.field, from: carrier),
            let trace = TraceContext(traceparent: text)
        else { return }
        context.place = TracePlace(context: trace, span: nil)
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext,
        into carrier: inout Carrier,
        using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let place = context.place else { return }
        injector.inject(place.context.traceparent, forKey: TraceContext.field, into: &carrier)
    }
}
