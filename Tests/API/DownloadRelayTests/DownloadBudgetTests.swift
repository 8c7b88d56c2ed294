import Exports
import Memory
import MetricsTestKit
import ParallelGzip
import Testing
import TestSupport
import Zstandard

@testable import DownloadRelay

@Suite struct DownloadBudgetTests {
    private let id: ExportID
    private let metrics = TestMetrics()

    init() {
        var random = SeededRandom(seed: 5)
        id = ExportID(at: Timestamp(milliseconds: 0), random: &random)
    }

    @Test func eachCallerHasItsOwnLimit() {
        var account = DownloadAccount(perCaller: 2)
        for (caller, isTaken) in [("a", true), ("a", true), ("a", false), ("b", true)] {
            let taken = account.take(for: caller, of: id)
            #expect(taken == isTaken)
        }
        #expect(account.underWay == 3)
        account.give(backBy: "a", of: id)
        let again = account.take(for: "a", of: id)
        #expect(again)
    }

    @Test func whatWasNotTakenCannotBeGivenBack() {
        var account = DownloadAccount(perCaller: 1)
        account.give(backBy: "a", of: id)
        #expect(account.underWay == 0 && !account.isServing(id))
    }

    @Test func allShareTheMemory() throws {
        let memory = MemoryBudget(total: 3200, metrics: metrics)
        let most = memory.maximum(of: .download)
        let budget = DownloadBudget(perCaller: 10, memory: memory, metrics: metrics)
        let first = try budget.reserve(most - 100, for: "a", of: id)
        #expect(throws: GatewayError.self) { try budget.reserve(101, for: "b", of: id) }
        // A smaller one still fits, to the last byte.
        let second = try budget.reserve(100, for: "b", of: id)
        #expect(throws: GatewayError.self) { try budget.reserve(1, for: "c", of: id) }
        #expect(budget.downloadsUnderWay == 2)
        first.release()
        second.release()
        #expect(memory.reserved(.download) == 0 && budget.downloadsUnderWay == 0)
        #expect(throws: Never.self) { try budget.reserve(most, for: "d", of: id) }
    }

    @Test func aReservationEndsWithItself() throws {
        let memory = MemoryBudget(total: 3200, metrics: metrics)
        let most = memory.maximum(of: .download)
        let budget = DownloadBudget(perCaller: 1, memory: memory, metrics: metrics)
        func underWay() throws -> Double? { try metrics.expectMeter("export_gateway_downloads_under_way").lastValue }
        var first: DownloadReservation? = try budget.reserve(most / 2 + 1, for: "a", of: id)
        #expect(first != nil)
        #expect(try underWay() == 1)
        #expect(memory.reserved(.download) == most / 2 + 1)

        let mine = #expect(throws: GatewayError.self) { try budget.reserve(100, for: "a", of: id) }
        #expect(mine?.code == .tooManyRequests && mine?.retryAfter == .seconds(5))
        #expect(mine?.members == .quota(Quota(.perCaller, limit: 1)))
        let everybodys = #expect(throws: GatewayError.self) { try budget.reserve(most / 2, for: "b", of: id) }
        #expect(everybodys?.members == .quota(Quota(.all, limit: 2)))
        func refused(_ reason: String) throws -> Int64 {
            try metrics.expectCounter("export_gateway_downloads_refused_total", [("reason", reason)]).totalValue
        }
        #expect(try refused("caller-limit") == 1)
        #expect(try refused("memory-limit") == 1)

        first = nil
        #expect(try underWay() == 0)
        #expect(memory.reserved(.download) == 0)
        let second = try budget.reserve(most, for: "a", of: id)
        second.release()
        second.release()
        #expect(memory.reserved(.download) == 0)
        #expect(try underWay() == 0)
    }

    /// Whether they encode or not, and on however many cores.
    @Test func theDefaultsLetFiveHundredThrough() throws {
        let gzip = GzipEncoder(level: .best, pool: CompressionPool(threads: 8))
        let zstd = ZstdEncoder(level: .best, pool: CompressionPool(threads: 8))
        for encoder in [0, gzip.memoryPerStream, zstd.memoryPerStream] {
            let cost = DownloadBudget.plainCost + encoder
            let memory = MemoryBudget(total: 2 << 30, metrics: metrics)
            let budget = DownloadBudget(perCaller: RelaySettings().perCaller, memory: memory, metrics: metrics)
            let all = try (1...500).map { _ in try budget.reserve(cost, for: "one", of: id) }
            #expect(budget.downloadsUnderWay == all.count)
        }
    }

    @Test func theSmallestBudgetIsSureToHavePlaceForOne() {
        let gzip = GzipEncoder(level: .best, pool: CompressionPool(threads: 256))
        let zstd = ZstdEncoder(level: .best, pool: CompressionPool(threads: 256))
        let sure = MemoryKind.download.guaranteed(of: MemoryBudget.smallest)
        for encoder in [gzip.memoryPerStream, zstd.memoryPerStream] {
            #expect(DownloadBudget.plainCost + encoder <= sure)
        }
    }
}
