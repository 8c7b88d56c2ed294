import Exports
import Testing

@testable import WebhookEngine

@Suite struct WebhookScheduleTests {
    private func waits(jitter: Double) -> [Duration] {
        (1...20).compactMap { WebhookSchedule.wait(after: $0, retryAfter: nil, jitter: jitter) }
    }

    @Test func tenAttemptsAreSpreadOverThreeDays() {
        let middle = waits(jitter: 0.5)
        #expect(middle.count == 9)
        #expect(middle.first == .seconds(5))
        let total = middle.reduce(.zero, +)
        #expect((.seconds(70 * 3600) ... .seconds(72 * 3600)).contains(total))
        #expect(zip(middle, middle.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test func waitsAreSpreadByATenth() {
        for (low, (middle, high)) in zip(waits(jitter: 0), zip(waits(jitter: 0.5), waits(jitter: 0.999))) {
            #expect(low < middle && middle < high)
            #expect(low >= middle * 0.899 && high <= middle * 1.101)
        }
    }

    @Test func theReceiverMayAskForLongerWaitsUpToADay() {
        func wait(_ retryAfter: Duration, after attempts: Int = 1) -> Duration? {
            WebhookSchedule.wait(after: attempts, retryAfter: retryAfter, jitter: 0.5)
        }
        #expect(wait(.seconds(120)) == .seconds(120))
        #expect(wait(.seconds(1)) == .seconds(5))
        #expect(wait(.seconds(30 * 86_400)) == .seconds(86_400))
        #expect(wait(.seconds(1), after: 10) == nil)
    }
}
