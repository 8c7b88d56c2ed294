import CoreMetrics
import Synchronization

/// One line, or one group of lines, of `/metrics`: the storage of a swift-metrics handler.
final class CounterSeries: CounterHandler, FloatingPointCounterHandler, Sendable {
    private let total = Mutex<Double>(0)
    var value: Double { total.withLock { $0 } }

    func increment(by amount: Int64) { total.withLock { $0 += Double(max(0, amount)) } }
    func increment(by amount: Double) {
        guard amount.isFinite, amount > 0 else { return }
        total.withLock { $0 += amount }
    }
    func reset() { total.withLock { $0 = 0 } }
}

/// A value that goes up and down.
final class GaugeSeries: MeterHandler, RecorderHandler, Sendable {
    private let current = Mutex<Double>(0)
    var value: Double { current.withLock { $0 } }

    func set(_ value: Int64) { current.withLock { $0 = Double(value) } }
    func set(_ value: Double) { current.withLock { $0 = value } }
    func increment(by amount: Double) { current.withLock { $0 += amount } }
    func decrement(by amount: Double) { current.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }
}

/// The distribution of values over buckets.
final class HistogramSeries: RecorderHandler, TimerHandler, Sendable {
    /// The upper bounds of the buckets for seconds: those that OpenTelemetry's conventions advise for requests, and some below and
    /// above.
    static let seconds: [Double] = [
        0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300,
    ]
    /// The upper bounds of the buckets for everything else: counts and bytes, over many orders of magnitude.
    static let magnitudes: [Double] = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]

    struct Snapshot {
        /// The number of values up to each bound; the last one counts all.
        var cumulative: [UInt64]
        var sum: Double
    }

    let bounds: [Double]
    private let state: Mutex<(counts: [UInt64], sum: Double)>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex((Array(repeating: 0, count: bounds.count + 1), 0))
    }

    var snapshot: Snapshot {
        state.withLock { state in
            var total: UInt64 = 0
            let cumulative = state.counts.map { count in
                total += count
                return total
            }
            return Snapshot(cumulative: cumulative, sum: state.sum)
        }
    }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
