import Exports
import JSON
import NIOCore
import Testing

@testable import GatewayAPI

/// What waits for the client of a stream.
@Suite struct EventQueueTests {
    private func frame(_ position: Int64) -> EventFrame {
        EventFrame(ExportChange(position: position, .sample), after: .sample)
    }

    private func position(_ step: EventQueue.Step?) -> Int64? {
        if case .send(let frame) = step { frame.position } else { nil }
    }

    private func end(_ step: EventQueue.Step?) -> EventQueue.End? {
        if case .end(let end) = step { end } else { nil }
    }

    private func beat(_ step: EventQueue.Step?) -> Int64? {
        if case .beat(let position) = step { position } else { nil }
    }

    private func leftOut(_ step: EventQueue.Step?) -> Int64? {
        if case .catchUp(let position) = step { position } else { nil }
    }

    private func isEmpty(_ queue: inout EventQueue) -> Bool { if case nil = queue.next() { true } else { false } }

    private func isCheck(_ step: EventQueue.Step?) -> Bool { if case .check? = step { true } else { false } }

    @Test func changesComeInTheirOrderAndAHeartbeatAfterThem() {
        var queue = EventQueue(limit: 65_536)
        #expect(isEmpty(&queue))
        queue.beats(at: 7)
        for position in 5...7 { queue.add(frame(Int64(position))) }
        // The check of the caller waits for nothing.
        #expect(isCheck(queue.next()))
        #expect((5...7).map { _ in position(queue.next()) } == [5, 6, 7])
        #expect(beat(queue.next()) == 7)
        #expect(isEmpty(&queue))
        #expect(queue.bytes == 0)
    }

    @Test func twoHeartbeatsBecomeOne() {
        var queue = EventQueue(limit: 65_536)
        queue.beats(at: 7)
        queue.beats(at: 9)
        #expect(isCheck(queue.next()))
        #expect(beat(queue.next()) == 9)
        #expect(isEmpty(&queue))
    }

    @Test func whatWaitsHasALimit() {
        let length = frame(1).text.readableBytes
        var queue = EventQueue(limit: 2 * length)
        queue.add(frame(1))
        queue.add(frame(2))
        #expect(queue.bytes == 2 * length)
        // What was taken does not count.
        #expect(position(queue.next()) == 1)
        queue.add(frame(3))
        #expect(queue.end == nil)
        queue.add(frame(4))
        #expect(queue.bytes == 0)
        queue.beats(at: 5)
        queue.add(frame(5))
        // What was left out is read in the ledger, before anything that comes later.
        #expect(isCheck(queue.next()))
        #expect(leftOut(queue.next()) == 5)
        queue.add(frame(6))
        #expect(position(queue.next()) == 6)
        #expect(beat(queue.next()) == 5)
        #expect(isEmpty(&queue))
    }

    @Test(arguments: EventQueue.End.allCases) func nothingIsSentAfterTheEnd(reason: EventQueue.End) {
        var queue = EventQueue(limit: 65_536)
        queue.add(frame(1))
        queue.beats(at: 1)
        queue.end(reason)
        queue.end(.client)
        queue.add(frame(2))
        #expect(end(queue.next()) == reason)
        #expect(end(queue.next()) == reason)
    }
}

extension Export {
    /// An export for tests of streams.
    static var sample: Export {
        var random = SystemRandomNumberGenerator()
        return Export(
            id: ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random),
            provider: ProviderID("power-bi"),
            connection: "contoso",
            name: "Sales",
            createdAt: Timestamp(milliseconds: 1_780_000_000_000),
            createdBy: "tests",
            source: ["format": "PDF"]
        )
    }
}
