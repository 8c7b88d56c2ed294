import Exports
import Synchronization
public import Tracing

/// A span that is recorded until its end.
///
/// It is a span of swift-distributed-tracing. The gateway's own code adds attributes by their `AttributeName` only.
public final class GatewaySpan: Tracing.Span {
    /// Its name in its trace.
    public let trace: TraceContext
    private let base: ServiceContext
    private let record: Mutex<SpanRecord?>
    private let name: Mutex<String>
    private let tracer: GatewayTracer

    /// - Parameters:
    ///   - record: What is recorded; nil for a span of a trace that is not.
    ///   - base: What else is handed on with it.
    init(_ record: SpanRecord?, _ trace: TraceContext, name: String, base: ServiceContext, tracer: GatewayTracer) {
        (self.trace, self.base, self.tracer) = (trace, base, tracer)
        self.record = Mutex(record)
        self.name = Mutex(name)
    }

    /// The span that the current task works for; nil where that is not recorded.
    public static var current: GatewaySpan? { ServiceContext.current?.place?.span }

    /// What makes this span the current one.
    public var context: ServiceContext {
        var context = base
        context.place = TracePlace(context: trace, span: isRecording ? self : nil)
        return context
    }

    public var isRecording: Bool { record.withLock { $0 != nil } }

    public var operationName: String {
        get { name.withLock { $0 } }
        set {
            name.withLock { $0 = newValue }
            record.withLock { $0?.name = newValue }
        }
    }

    public var attributes: SpanAttributes {
        get {
            record.withLock { record in
                var attributes = SpanAttributes([:])
                for attribute in record?.attributes ?? [] { attributes.set(attribute.name, value: attribute.value) }
                return attributes
            }
        }
        set {
            let listed = Self.listed(newValue)
            record.withLock { record in
                record?.attributes = []
                for attribute in listed { record?.set(attribute.name, attribute.value) }
            }
        }
    }

    /// Sets an attribute to a text; with nil, nothing.
    public func set(_ name: AttributeName, _ text: String?) {
        if let text { set(name, to: .string(text)) }
    }

    /// Sets an attribute to a number.
    public func set(_ name: AttributeName, _ number: Int) { set(name, to: .int64(Int64(number))) }

    /// Sets an attribute to a duration, in seconds.
    public func set(_ name: AttributeName, seconds: Duration) {
        set(name, to: .double(Double(seconds.milliseconds) / 1000))
    }

    private func set(_ name: AttributeName, to value: SpanAttribute) {
        record.withLock { $0?.set(name.rawValue, value) }
    }

    /// What the span stands for has failed.
    ///
    /// - Parameter type: A fixed word for what was wrong.
    public func fail(_ type: String) {
        record.withLock { record in
            record?.set(AttributeName.errorType.rawValue, .string(type))
            record?.status = SpanStatus(code: .error)
        }
    }

    /// Links to a span of another trace, or of this one.
    public func link(_ other: TraceContext) { record.withLock { $0?.link(other) } }

    public func addLink(_ link: SpanLink) {
        if let other = link.context.place?.context { self.link(other) }
    }

    public func setStatus(_ status: SpanStatus) { record.withLock { $0?.status = status } }

    public func addEvent(_ event: SpanEvent) {
        add(event.name, at: event.nanosecondsSinceEpoch, event.attributes)
    }

    /// Records the type of the error only, because its text may hold anything.
    public func recordError<Instant: TracerInstant>(
        _ error: any Error,
        attributes: SpanAttributes,
        at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes.set("exception.type", value: .string("\(type(of: error))"))
        add("exception", at: instant().nanosecondsSinceEpoch, attributes)
    }

    private func add(_ name: String, at time: UInt64, _ attributes: SpanAttributes) {
        let event = SpanRecord.Event(
            name: name,
            time: time,
            attributes: Array(Self.listed(attributes).prefix(SpanRecord.mostAttributes))
        )
        record.withLock { record in
            guard let count = record?.events.count, count < SpanRecord.mostEvents else { return }
            record?.events.append(event)
        }
    }

    /// The attributes in the order of their names.
    private static func listed(_ attributes: SpanAttributes) -> [SpanRecord.Attribute] {
        var listed: [SpanRecord.Attribute] = []
        // swift-format-ignore: ReplaceForEachWithForLoop
        attributes.forEach { listed.append(.init(name: $0, value: SpanRecord.short($1))) }
        return listed.sorted { $0.name < $1.name }
    }

    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard isRecording else { return }
        finish(at: instant().nanosecondsSinceEpoch)
    }

    /// Ends it now. Only the first end counts.
    public func end() { finish(at: tracer.now) }

    private func finish(at end: UInt64) {
        let ended = record.withLock { record -> SpanRecord? in
            guard var ended = record else { return nil }
            record = nil
            ended.end = max(end, ended.start)
            return ended
        }
        if let ended { tracer.ended(ended) }
    }
}

/// Which span a context is of.
struct TracePlace: Sendable {
    var context: TraceContext
    /// Nil where it is not recorded, and where another process made it.
    var span: GatewaySpan?
}

extension ServiceContext {
    private enum PlaceKey: ServiceContextKey {
        typealias Value = TracePlace
        static var nameOverride: String? { "export-gateway-span" }
    }

    var place: TracePlace? {
        get { self[PlaceKey.self] }
        set { self[PlaceKey.self] = newValue }
    }
}

extension GatewaySpan? {
    /// Runs `body` with the span as the current one; without a span, only runs it.
    public func run<Value, Failure: Error>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        guard let span = self else { return try await body() }
        let outcome: Result<Value, Failure> = await ServiceContext.withValue(span.context) {
            do throws(Failure) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// The same, without waiting for anything.
    public func runNow<Value>(_ body: () -> Value) -> Value {
        guard let span = self else { return body() }
        return ServiceContext.withValue(span.context) { body() }
    }
}
