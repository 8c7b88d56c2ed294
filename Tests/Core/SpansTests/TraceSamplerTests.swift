import Exports
import Testing

@testable import Spans

@Suite struct TraceSamplerTests {
    @Test(arguments: [0.0, 0.001, 0.1, 0.5, 1.0])
    func recordsItsPartOfAllExports(ratio: Double) {
        var random = SystemRandomNumberGenerator()
        let sampler = TraceSampler(ratio: ratio)
        let count = 100_000
        var recorded = 0
        for _ in 0..<count {
            let id = ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random)
            if let root = TraceContext(of: id, isSampled: true), sampler.samples(root.trace) { recorded += 1 }
        }
        // Seven standard deviations.
        let deviation = 7 * (ratio * (1 - ratio) * Double(count)).squareRoot()
        #expect(abs(Double(recorded) - ratio * Double(count)) <= deviation)
    }

    /// What one ratio records, a higher one records too: replicas may have different ones for a while.
    @Test func aHigherRatioRecordsMore() throws {
        var random = SystemRandomNumberGenerator()
        let (low, high) = (TraceSampler(ratio: 0.1), TraceSampler(ratio: 0.2))
        for _ in 0..<10_000 {
            let trace = try #require(TraceID(high: 1, low: random.next()))
            #expect(!low.samples(trace) || high.samples(trace))
        }
    }

    @Test(arguments: [-1, 2, Double.infinity, -Double.infinity])
    func aRatioBeyondItsRangeIsItsEnd(ratio: Double) throws {
        let trace = try #require(TraceID(high: 1, low: 0))
        #expect(TraceSampler(ratio: ratio).samples(trace) == (ratio > 0))
    }

    @Test func callersHaveSoManyInASecond() {
        let forced = ForcedTraces(perSecond: 2)
        #expect(forced.take(at: .milliseconds(100)) && forced.take(at: .milliseconds(900)))
        #expect(!forced.take(at: .milliseconds(999)))
        #expect(forced.take(at: .milliseconds(1000)))
        #expect(!ForcedTraces(perSecond: 0).take(at: .zero))
    }
}
