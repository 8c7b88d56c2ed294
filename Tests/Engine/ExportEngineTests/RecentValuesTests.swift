import Exports
import Testing

@testable import ExportEngine

@Suite struct RecentValuesTests {
    private let ids: [ExportID]

    init() throws {
        ids = try (1...5).map { try #require(ExportID("00000000-0000-7000-8000-00000000000\($0)")) }
    }

    @Test func theOldestAreEvicted() {
        var values = RecentValues<Int>(capacity: 2)
        for (number, id) in ids.enumerated() { values[id] = number }
        #expect(ids.map { values[$0] } == [nil, nil, nil, 3, 4])
        // What is replaced is no newer for it.
        values[ids[3]] = 30
        values[ids[0]] = 0
        #expect(ids.map { values[$0] } == [0, nil, nil, nil, 4])
    }

    @Test func whatComesAgainIsNew() {
        var values = RecentValues<Int>(capacity: 2)
        values[ids[0]] = 0
        values[ids[1]] = 1
        values[ids[0]] = nil
        values[ids[0]] = 2
        values[ids[2]] = 3
        #expect(ids.map { values[$0] } == [2, nil, 3, nil, nil])
    }

    @Test func comingAndGoingTakesNoCapacity() {
        var values = RecentValues<Int>(capacity: 2)
        for number in 0..<1000 {
            values[ids[0]] = number
            values[ids[0]] = nil
        }
        #expect(values.placesHeld <= 5)
        values[ids[0]] = 1
        values[ids[1]] = 2
        #expect(ids.map { values[$0] } == [1, 2, nil, nil, nil])
    }
}
