import Exports
import ParallelGzip
import MetricsTestKit
import Testing

@testable import DownloadRelay

@Suite struct DownloadBudgetTests {
    private let id: ExportID

    init() {
        var random = FixedRandom(state: 5)
        id = ExportID(at: Timestamp(milliseconds: 0), random: &random)
    }

    @Test func eachCallerHasItsOwnLimit() {
        var account = DownloadAccount(limits: DownloadLimits(memory: 1000, perCaller: 2))
        #expect(account.take(100, for: "a", of: id) == nil)
        #expect(account.take(100, for: "a", of: id) == nil)
        #expect(account.take(100, for: "a", of: id) == .caller(limit: 2))
        #expect(account.take(100, for: "b", of: id) == nil)
        #expect(account.reserved == 300 && account.underWay == 3)
        account.give(back: 100, of: "a", of: id)
        #expect(account.take(100, for: "a", of: id) == nil)
    }

    @Test func allShareTheMemory() {
        var account = DownloadAccount(limits: DownloadLimits(memory: 250, perCaller: 10))
        #expect(account.take(100, for: "a", of: id) == nil)
        #expect(account.take(100, for: "b", of: id) == nil)
        #expect(account.take(100, for: "c", of: id) == .memory(limit: 2))
        // A smaller one still fits, to the last byte.
        #expect(account.take(50, for: "c", of: id) == nil)
        #expect(account.take(1, for: "d", of: id) == .memory(limit: 250))
        account.give(back: 100, of: "a", of: id)
        account.give(back: 50, of: "c", of: id)
        account.give(back: 100, of: "b", of: id)
        #expect(account.reserved == 0 && account.underWay == 0)
        #expect(account.take(250, for: "d", of: id) == nil)
    }

    @Test func whatWasNotTakenCannotBeGivenBack() {
        var account = DownloadAccount(limits: DownloadLimits(memory: 100, perCaller: 1))
        account.give(back: 50, of: "a", of: id)
        #expect(account.reserved == 0 && account.underWay == 0)
        #expect(account.take(101, for: "a", of: id) == .memory(limit: 0))
    }

    @Test func aReservationEndsWithItself() throws {
        let metrics = TestMetrics()
        let budget = DownloadBudget(limits: DownloadLimits(memory: 1000, perCaller: 1), metrics: metrics)
        func shown(_ label: String) throws -> Double? { try metrics.expectMeter(label).lastValue }
        var first: DownloadReservation? = try budget.reserve(600, for: "a", of: id)
        #expect(first != nil)
        #expect(try shown("export_gateway_downloads_under_way") == 1)
        #expect(try shown("export_gateway_downloads_reserved_bytes") == 600)

        let mine = #expect(throws: GatewayError.self) { try budget.reserve(100, for: "a", of: id) }
        #expect(mine?.code == .tooManyRequests && mine?.retryAfter == .seconds(5))
        #expect(mine?.members["quota"]?["name"] == "downloads-per-caller")
        #expect(mine?.members["quota"]?["limit"] == 1)
        let everybodys = #expect(throws: GatewayError.self) { try budget.reserve(500, for: "b", of: id) }
        #expect(everybodys?.members["quota"]?["name"] == "downloads")
        #expect(everybodys?.members["quota"]?["limit"] == 2)
        func refused(_ limit: String) throws -> Int64 {
            try metrics.expectCounter("export_gateway_downloads_refused_total", [("limit", limit)]).totalValue
        }
        #expect(try refused("caller") == 1)
        #expect(try refused("memory") == 1)

        first = nil
        #expect(try shown("export_gateway_downloads_under_way") == 0)
        #expect(try shown("export_gateway_downloads_reserved_bytes") == 0)
        let second = try budget.reserve(1000, for: "a", of: id)
        second.release()
        second.release()
        #expect(try shown("export_gateway_downloads_reserved_bytes") == 0)
    }

    /// Whether they encode or not, and on however many cores.
    @Test func theDefaultsLetFiveHundredThrough() {
        let encoder = GzipEncoder(level: .best, pool: GzipPool(threads: 8))
        for cost in [DownloadBudget.plainCost, DownloadBudget.plainCost + encoder.memoryPerStream] {
            var account = DownloadAccount(limits: DownloadLimits())
            for _ in 1...500 { #expect(account.take(cost, for: "one", of: id) == nil) }
        }
    }
}
