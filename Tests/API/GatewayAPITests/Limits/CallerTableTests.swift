import Testing
import TestSupport

@testable import GatewayAPI

/// What callers use is kept within a bound.
@Suite struct CallerTableTests {
    @Test func unboundedCallersTakeBoundedPlaces() {
        var table = CallerTable(limit: 100)
        for number in 0..<10_000 { table.use(of: "c\(number)", at: 0) { $0.requests = 1_000 + Int64(number) } }
        #expect(table.count == 100)
        #expect(table.evicted == 9_900)
    }

    @Test func whatSaysNothingGoesFirst() {
        var table = CallerTable(limit: 4)
        for (caller, wholeAt) in [("a", 10), ("b", 50), ("c", 20), ("d", 40)] as [(String, Int64)] {
            table.use(of: caller, at: 0) { $0.bytes = wholeAt }
        }
        table.use(of: "e", at: 10) { $0.bytes = 90 }
        #expect(table.evicted == 0)
        // The next one that would be whole soonest is c.
        table.use(of: "f", at: 11) { $0.bytes = 90 }
        #expect(table.evicted == 1)
        #expect(table.use(of: "b", at: 11) { $0.bytes } == 50)
        #expect(table.use(of: "d", at: 11) { $0.bytes } == 40)
        #expect(table.count == 4)
    }

    @Test func whoeverWaitsIsNotEvicted() {
        var table = CallerTable(limit: 3)
        for caller in ["a", "b", "c"] { table.use(of: caller, at: 0) { $0.waits = 1 } }
        #expect(table.use(of: "d", at: 0) { $0.waits } == 0)
        #expect(table.count == 3)
        table.known("b") { $0.waits = 0 }
        table.use(of: "d", at: 0) { $0.waits = 1 }
        for caller in ["a", "c", "d"] { #expect(table.use(of: caller, at: 0) { $0.waits } == 1) }
        table.known("nobody") { $0.waits = 7 }
        #expect(table.count == 3)
    }
}
