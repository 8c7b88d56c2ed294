import Exports
import Testing
import TestSupport

@testable import GatewayAPI

/// The arithmetic of limits, against a bucket that is filled step by step.
@Suite struct AllowanceTests {
    /// A bucket in units of a nanosecond's part, filled for each nanosecond that passes.
    private struct Bucket {
        let units: Int64
        let interval: Int64
        var level: Int64
        var last: Int64 = 0

        init(units: Int, interval: Int64) {
            (self.units, self.interval) = (Int64(units), interval)
            level = self.units * interval
        }

        mutating func take(at now: Int64) -> Bool {
            fill(to: now)
            guard level >= interval else { return false }
            level -= interval
            return true
        }

        mutating func charge(_ count: Int64, at now: Int64) {
            fill(to: now)
            level -= count * interval
        }

        mutating func fill(to now: Int64) {
            level = min(units * interval, level + now - last)
            last = now
        }
    }

    @Test(arguments: 1...20) func requestsAreThoseOfABucket(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let perMinute = Int.random(in: 1...10_000, using: &random)
        let burst = Int.random(in: 1...50, using: &random)
        let allowance = Allowance(perMinute: perMinute, burst: burst)
        var bucket = Bucket(units: burst, interval: Int64(allowance.interval))
        var (now, wholeAt): (Int64, Int64) = (0, 0)
        for step in 0..<2_000 {
            now += Int64.random(in: 0...(2 * bucket.interval), using: &random)
            let missing = allowance.take(&wholeAt, at: now)
            #expect((missing == nil) == bucket.take(at: now), "seed \(seed), step \(step)")
            if let missing {
                // Not a moment earlier than was told, and then at once.
                var (early, late) = (wholeAt, wholeAt)
                #expect(allowance.take(&early, at: now + missing - 1) != nil)
                #expect(allowance.take(&late, at: now + missing) == nil)
            }
            #expect(Int64(allowance.left(wholeAt, at: now)) == max(0, bucket.level / bucket.interval))
        }
    }

    @Test(arguments: 1...20) func debtsComeBackFirst(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let interval = Int64.random(in: 1...1_000, using: &random)
        let units = Int.random(in: 1...1_000, using: &random)
        let allowance = Allowance(units, in: .nanoseconds(interval * Int64(units)))
        var bucket = Bucket(units: units, interval: interval)
        var (now, wholeAt): (Int64, Int64) = (0, 0)
        for step in 0..<2_000 {
            now += Int64.random(in: 0...(4 * interval), using: &random)
            bucket.fill(to: now)
            #expect((allowance.wait(wholeAt, at: now) == nil) == (bucket.level > 0), "seed \(seed), step \(step)")
            let count = Int64.random(in: 0...5, using: &random)
            bucket.charge(count, at: now)
            allowance.charge(count, &wholeAt, at: now)
        }
    }

    @Test func sharesAreNoMoreThanTheWhole() {
        for units in [1, 2, 3, 10, 1_000] {
            for replicas in 1...7 {
                let whole = Allowance(perMinute: 60, burst: units)
                let share = whole.share(among: replicas)
                #expect(share.units * replicas <= max(units, replicas))
                #expect(share.units >= 1)
                #expect(share.interval == whole.interval * Double(replicas))
            }
        }
    }

    @Test func aHugeDebtDoesNotOverflow() {
        let allowance = Allowance(1, in: .seconds(30 * 86_400))
        var wholeAt: Int64 = 0
        for _ in 0..<100 { allowance.charge(.max, &wholeAt, at: 1) }
        #expect(allowance.wait(wholeAt, at: 1) != nil)
    }
}
