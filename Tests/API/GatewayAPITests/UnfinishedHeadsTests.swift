import Telemetry
import Memory
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import GatewayAPI

/// The connections that are closed for others.
@Suite struct UnfinishedHeadsTests {
    private let memory = MemoryBudget(total: 8000, metrics: PrometheusRegistry())
    private let left = EventLog()

    private func channel() -> EmbeddedChannel { EmbeddedChannel() }

    @Test func theOldestIsClosed() throws {
        let heads = UnfinishedHeads(memory: memory)
        let channels = (0..<4).map { _ in channel() }
        var reservations: [MemoryReservation] = []
        for (index, channel) in channels.prefix(3).enumerated() {
            let reservation = try heads.reserve(300, nil, for: channel)
            heads.began(channel, reservation) { [left] in left.add(index) }
            reservations.append(reservation)
        }
        #expect(left.all.isEmpty)
        // 1,000 bytes are the most for heads.
        let new = try heads.reserve(350, nil, for: channels[3])
        #expect(left.all == [0] && reservations[0].bytes == 0)
        #expect(memory.reserved(.head) == 950)
        heads.ended(channels[1])
        // The second has ended its head: the third is next.
        let other = channel()
        let fifth = try heads.reserve(350, nil, for: other)
        #expect(left.all == [0, 2])
        #expect(throws: MemoryRefusal.full) { try heads.reserve(1, nil, for: channel()) }
        for reservation in reservations + [new, fifth] { reservation.release() }
        #expect(memory.reserved(.head) == 0)
    }

    @Test func theOldestDoesNotGetTheMemoryOfOthers() throws {
        let heads = UnfinishedHeads(memory: memory)
        let (first, second) = (channel(), channel())
        let one = try heads.reserve(500, nil, for: first)
        heads.began(first, one) { [left] in left.add(1) }
        let two = try heads.reserve(500, nil, for: second)
        heads.began(second, two) { [left] in left.add(2) }
        #expect(throws: MemoryRefusal.full) { try heads.reserve(501, one, for: first) }
        #expect(left.all.isEmpty && memory.reserved(.head) == 1000)
        #expect(try heads.reserve(600, two, for: second) === two)
        #expect(left.all == [1] && memory.reserved(.head) == 600)
        // Whoever was closed gets nothing more.
        #expect(throws: MemoryRefusal.released) { try heads.reserve(1, one, for: first) }
    }

    @Test func whoHasGoneIsDropped() throws {
        let heads = UnfinishedHeads(memory: memory)
        for _ in 0..<1000 {
            let channel = channel()
            let one = try heads.reserve(500, nil, for: channel)
            heads.began(channel, one) { [left] in left.add(1) }
            heads.ended(channel)
            one.release()
        }
        #expect(left.all.isEmpty && memory.reserved(.head) == 0)
    }
}

private final class EventLog: Sendable {
    private let state = Mutex<[Int]>([])
    var all: [Int] { state.withLock { $0 } }

    func add(_ event: Int) { state.withLock { $0.append(event) } }
}
