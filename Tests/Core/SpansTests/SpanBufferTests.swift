import Exports
import ManualClock
import Testing
import Tracing

@testable import Spans

@Suite struct SpanBufferTests {
    private func span(_ number: UInt64) throws -> SpanRecord {
        let context = TraceContext(
            trace: try #require(TraceID(high: 1, low: number)),
            span: try #require(SpanID(number)),
            isSampled: true
        )
        return SpanRecord(context: context, name: "span \(number)", kind: .internal, start: number, end: number)
    }

    @Test func keepsTheOrderAndDropsWhatDoesNotFit() throws {
        let buffer = SpanBuffer(limit: 3, batch: 2)
        for number in 1...5 { buffer.add(try span(UInt64(number))) }
        #expect(buffer.takeDropped() == 2)
        #expect(buffer.takeDropped() == 0)
        #expect(buffer.take().map(\.start) == [1, 2])
        #expect(buffer.take().map(\.start) == [3])
        #expect(buffer.take().isEmpty)
        buffer.close()
        buffer.add(try span(6))
        #expect(buffer.take().isEmpty)
        #expect(buffer.takeDropped() == 1)
    }

    @Test(.timeLimit(.minutes(1))) func aBatchEndsTheWait() async throws {
        let time = ManualTime()
        let buffer = SpanBuffer(limit: 10, batch: 2)
        for number in 1...5 { buffer.add(try span(UInt64(number))) }
        // The clock stands still: only a whole batch can end these waits.
        await buffer.waitForBatch(atMost: .seconds(5), of: time)
        #expect(buffer.take().count == 2)
        await buffer.waitForBatch(atMost: .seconds(5), of: time)
        #expect(buffer.take().count == 2)
        async let waited: Void = buffer.waitForBatch(atMost: .seconds(5), of: time)
        await time.pauses(atLeast: 1)
        time.advance(by: .seconds(5))
        await waited
        #expect(buffer.take().count == 1)
    }
}
