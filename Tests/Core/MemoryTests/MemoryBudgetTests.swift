import MetricsTestKit
import Testing
import TestSupport

@testable import Memory

@Suite struct MemoryBudgetTests {
    private let metrics = TestMetrics()

    private func reserved(_ kind: MemoryKind) throws -> Double? {
        try metrics.expectMeter("export_gateway_memory_reserved_bytes", [("kind", kind.rawValue)]).lastValue
    }

    private func refused(_ kind: MemoryKind, _ reason: String) throws -> Int64 {
        let dimensions = [("kind", kind.rawValue), ("reason", reason)]
        return try metrics.expectCounter("export_gateway_memory_reservations_refused_total", dimensions).totalValue
    }

    @Test func aReservationEndsWithItself() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        #expect(try metrics.expectMeter("export_gateway_memory_limit_bytes").lastValue == 3200)
        var one: MemoryReservation? = try budget.reserve(100, .body, for: "a")
        #expect(one?.bytes == 100)
        #expect(try reserved(.body) == 100)
        #expect(budget.reserved(.body) == 100 && budget.reserved(.wait) == 0)
        one = nil
        #expect(budget.reserved(.body) == 0)
        #expect(try reserved(.body) == 0)
    }

    @Test func whatIsGivenBackTwiceCountsOnce() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        let kept = try budget.reserve(50, .head)
        let one = try budget.reserve(100, .head)
        one.release()
        one.release()
        #expect(one.bytes == 0 && budget.reserved(.head) == 50)
        #expect(throws: MemoryRefusal.released) { try one.resize(to: 1) }
        #expect(budget.reserved(.head) == 50)
        kept.release()
        #expect(budget.reserved(.head) == 0)
    }

    @Test func aReservationGrowsAndShrinks() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        let one = try budget.reserve(100, .head)
        try one.resize(to: 400)
        #expect(budget.reserved(.head) == 400)
        #expect(throws: MemoryRefusal.full) { try one.resize(to: 401) }
        // What it had stays.
        #expect(one.bytes == 400 && budget.reserved(.head) == 400)
        try one.resize(to: 0)
        #expect(budget.reserved(.head) == 0)
        #expect(try refused(.head, "memory-limit") == 1 && refused(.head, "caller-limit") == 0)
    }

    @Test func oneCallerGetsHalfOfWhatItsKindMayHave() throws {
        for kind in [MemoryKind.body, .wait] {
            let budget = MemoryBudget(total: 3200, metrics: metrics)
            let mine = try budget.reserve(400, kind, for: "a")
            #expect(throws: MemoryRefusal.caller(limit: 400)) { try budget.reserve(1, kind, for: "a") }
            let others = try budget.reserve(400, kind, for: "b")
            #expect(throws: MemoryRefusal.full) { try budget.reserve(1, kind, for: "c") }
            #expect(try refused(kind, "caller-limit") == 1 && refused(kind, "memory-limit") == 1)
            mine.release()
            others.release()
            #expect(budget.reserved(kind) == 0)
        }
    }

    @Test func whatIsAssignedCountsForItsCaller() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        let nobodys = try budget.reserve(150, .head)
        try nobodys.assign(to: "a")
        try nobodys.assign(to: "a")
        #expect(throws: MemoryRefusal.caller(limit: 200)) { try budget.reserve(51, .head, for: "a", isCounted: false) }
        let another = try budget.reserve(100, .head, for: "b")
        #expect(throws: MemoryRefusal.caller(limit: 200)) { try another.assign(to: "a") }
        // It stays whose it was.
        #expect(throws: MemoryRefusal.caller(limit: 200)) { try budget.reserve(101, .head, for: "b", isCounted: false) }
        try nobodys.assign(to: nil)
        try another.assign(to: "a")
        #expect(budget.reserved(.head) == 250)
        nobodys.release()
        another.release()
        #expect(throws: MemoryRefusal.released) { try another.assign(to: "b") }
        #expect(budget.reserved(.head) == 0)
        #expect(throws: Never.self) { try budget.reserve(200, .head, for: "a") }
        #expect(try refused(.head, "caller-limit") == 0 && refused(.head, "memory-limit") == 0)
    }

    @Test func aCeilingHoldsForAllOfAKind() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        let one = try budget.reserve(100, .head, upTo: 200)
        #expect(throws: MemoryRefusal.full) { try budget.reserve(101, .head, upTo: 200) }
        #expect(throws: MemoryRefusal.full) { try one.resize(to: 201, upTo: 200, isCounted: false) }
        try one.resize(to: 200, upTo: 200)
        let other = try budget.reserve(200, .head)
        // Above it there is only the way down.
        #expect(throws: MemoryRefusal.full) { try one.resize(to: 201, upTo: 200, isCounted: false) }
        try one.resize(to: 10, upTo: 200)
        other.release()
        #expect(try refused(.head, "memory-limit") == 1)
    }

    @Test func theLimitIsWhatOthersLeave() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        #expect(budget.limit(of: .download) == budget.maximum(of: .download))
        let others = try budget.reserve(400, .body, for: "a")
        let mine = try budget.reserve(1000, .download)
        // 100 were left alone anyway.
        #expect(budget.limit(of: .download) == budget.maximum(of: .download) - 300)
        #expect(throws: Never.self) { try budget.reserve(budget.limit(of: .download) - 1000, .download) }
        others.release()
        mine.release()
    }

    @Test func theSharesOfACallerAreThoseOfAKind() throws {
        let budget = MemoryBudget(total: 3200, metrics: metrics)
        let body = try budget.reserve(400, .body, for: "a")
        #expect(throws: Never.self) { try budget.reserve(400, .wait, for: "a") }
        body.release()
    }
}

@Suite struct MemoryAccountTests {
    @Test func whatIsGuaranteedIsThereWhateverTheOthersTake() {
        for kind in MemoryKind.allCases {
            var account = MemoryAccount(total: 6400)
            // All others take as much as they can, for as many callers as it takes.
            for other in MemoryKind.allCases where other != kind {
                for caller in 0..<6400 {
                    guard account.take(50, other, for: "\(caller)") == nil else { break }
                }
            }
            #expect(account.take(kind.guaranteed(of: 6400), kind, for: nil) == nil, "\(kind)")
        }
    }

    @Test func noKindGetsMoreThanItsMaximum() {
        for kind in MemoryKind.allCases {
            var account = MemoryAccount(total: 6400)
            let most = kind.maximum(of: 6400)
            #expect(account.take(most + 1, kind, for: nil) == .full)
            #expect(account.reserved(kind) == 0)
            #expect(account.take(most, kind, for: nil) == nil)
            #expect(account.take(1, kind, for: nil) == .full)
        }
    }

    @Test func callersThatHaveGoneLeaveNothingBehind() {
        var account = MemoryAccount(total: 6400)
        for caller in 0..<10 {
            #expect(account.take(10, .wait, for: "\(caller)") == nil)
            #expect(account.take(10, .wait, for: "\(caller)") == nil)
        }
        #expect(account.shares == 10)
        for caller in 0..<10 {
            account.give(back: 15, .wait, of: "\(caller)")
            account.give(back: 5, .wait, of: "\(caller)")
        }
        #expect(account.shares == 0 && account.reserved(.wait) == 0)
    }

    /// Whatever happens in whatever order: the sum is that of what is held, and never beyond the total.
    @Test(arguments: 0..<20) func theSumIsThatOfWhatIsHeld(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let total = 10_000
        var account = MemoryAccount(total: total)
        var held: [(bytes: Int, kind: MemoryKind, caller: String?)] = []
        for _ in 0..<2000 {
            if Bool.random(using: &random), let index = held.indices.randomElement(using: &random) {
                let one = held.remove(at: index)
                account.give(back: one.bytes, one.kind, of: one.caller)
            } else {
                let one = (
                    bytes: Int.random(in: 1...900, using: &random),
                    kind: MemoryKind.allCases.randomElement(using: &random)!,
                    caller: ["a", "b", nil].randomElement(using: &random)!
                )
                if account.take(one.bytes, one.kind, for: one.caller) == nil { held.append(one) }
            }
            for kind in MemoryKind.allCases {
                let sum = held.reduce(0) { $1.kind == kind ? $0 + $1.bytes : $0 }
                #expect(account.reserved(kind) == sum && sum <= kind.maximum(of: total))
                guard let limit = kind.callerMaximum(of: total) else { continue }
                #expect(held.reduce(0) { $1.kind == kind && $1.caller == "a" ? $0 + $1.bytes : $0 } <= limit)
            }
            #expect(held.reduce(0) { $0 + $1.bytes } <= total)
        }
    }
}
