import Exports
import Testing

/// Which clients can be told what they have missed.
@Suite struct ChangeRangeTests {
    @Test func whatIsStoredCanBeTold() {
        let range = ChangeRange(first: 5, last: 9)
        #expect((3...10).filter { range.hasAll(after: $0) } == Array(4...9))
        #expect(ChangeRange(first: 1, last: 9).hasAll(after: 0))
        #expect(!ChangeRange(first: 1, last: 9).hasAll(after: -1))
    }

    @Test func whereNothingIsStoredOnlyTheLastIsKnown() {
        let pruned = ChangeRange(first: nil, last: 9)
        #expect((0...10).filter { pruned.hasAll(after: $0) } == [9])
        #expect(ChangeRange(first: nil, last: 0).hasAll(after: 0))
    }

    @Test func anIdSaysWhenItWasMade() {
        var random = SystemRandomNumberGenerator()
        let time = Timestamp(milliseconds: 1_780_000_000_123)
        #expect(ExportID(at: time, random: &random).createdAt == time)
    }
}
