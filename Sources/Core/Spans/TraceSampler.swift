import Synchronization

/// Decides which traces are recorded, when they begin.
///
/// The decision depends on the trace's id only, so that all replicas, before and after a restart, decide the same about an export. It
/// is the one of OpenTelemetry's consistent sampling: the last 56 bits of the id are compared with a threshold
/// (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/).
public struct TraceSampler: Sendable {
    private let threshold: UInt64

    /// Records this part of all traces: none with 0, all with 1. What is less than 2^-56 is none.
    public init(ratio: Double) {
        let part = min(max(ratio, 0), 1)
        threshold = Self.span - UInt64((part * Double(Self.span)).rounded())
    }

    /// Whether a trace with this id is recorded.
    public func samples(_ trace: TraceID) -> Bool { samples(low: trace.low) }

    /// Whether a trace is recorded whose id ends with these eight bytes.
    func samples(low: UInt64) -> Bool { low & (Self.span - 1) >= threshold }

    private static let span: UInt64 = 1 << 56
}

/// How many traces callers may have recorded in a second by their `sampled` flag: so many in each second that begins.
final class ForcedTraces: Sendable {
    private struct State {
        var second: Int64 = -1
        var used = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(perSecond limit: Int) {
        self.limit = limit
    }

    /// Takes one, at a time of a clock that never goes back. False where none is left.
    func take(at time: Duration) -> Bool {
        guard limit > 0 else { return false }
        let second = time.components.seconds
        return state.withLock { state in
            if state.second != second { state = State(second: second) }
            guard state.used < limit else { return false }
            state.used += 1
            return true
        }
    }
}
