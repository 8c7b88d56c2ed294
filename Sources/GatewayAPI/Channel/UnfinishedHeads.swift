import Memory
import NIOCore
import Synchronization

/// The memory that connections reserve for what they hold of requests. Where there is none left, connections give way on which
/// nothing came but a head that does not end: the one first that is at it for longest.
///
/// The head of who means it is there within moments; what is unfinished for longest is who keeps others out.
final class UnfinishedHeads: Sendable {
    private struct Entry {
        var place: Int
        var channel: any Channel
        var reservation: MemoryReservation
        var displace: @Sendable (any Channel) -> Void
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var queue = IdleQueue<ObjectIdentifier>()
        var lastPlace = 0

        mutating func removeFirst(besides id: ObjectIdentifier) -> Entry? {
            while let first = queue.first, let place = queue.firstPlace {
                guard first != id || entries[first]?.place != place else {
                    // Whoever asks is the oldest: it asks for itself.
                    return nil
                }
                queue.removeFirst()
                guard let entry = entries[first], entry.place == place else { continue }
                entries[first] = nil
                return entry
            }
            return nil
        }
    }

    private let memory: MemoryBudget
    private let state = Mutex(State())

    init(memory: MemoryBudget) {
        self.memory = memory
    }

    /// Reserves so many bytes in all for what a connection holds; those of others may be closed for it.
    ///
    /// Throws `MemoryRefusal`.
    func reserve(
        _ bytes: Int,
        _ reservation: MemoryReservation?,
        for channel: any Channel
    ) throws(MemoryRefusal) -> MemoryReservation {
        while true {
            do throws(MemoryRefusal) {
                guard let reservation else { return try memory.reserve(bytes, .head) }
                try reservation.resize(to: bytes)
                return reservation
            } catch {
                let id = ObjectIdentifier(channel)
                guard error == .full, let victim = state.withLock({ $0.removeFirst(besides: id) }) else { throw error }
                victim.reservation.release()
                victim.displace(victim.channel)
            }
        }
    }

    /// From now on this connection may be closed for others, by `displace`.
    func began(
        _ channel: any Channel,
        _ reservation: MemoryReservation,
        displace: @escaping @Sendable (any Channel) -> Void
    ) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            state.lastPlace += 1
            state.entries[id] = Entry(
                place: state.lastPlace,
                channel: channel,
                reservation: reservation,
                displace: displace
            )
            state.queue.add(id, place: state.lastPlace)
            if state.queue.count > 4 * state.entries.count + 64 {
                let entries = state.entries
                state.queue.keep { entries[$0]?.place == $1 }
            }
        }
    }

    /// Not any more: its head has ended, or the connection has.
    func ended(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }
}
