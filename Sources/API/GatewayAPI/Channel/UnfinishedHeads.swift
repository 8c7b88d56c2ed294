import Memory
import NIOCore
import Synchronization

/// The memory that connections reserve for the requests that they hold. When there is none left, connections are closed that have
/// only an unfinished head: first the one whose head is unfinished for longest.
///
/// Most heads are complete within moments; those that are unfinished for longest would keep others out.
final class UnfinishedHeads: Sendable {
    private struct Entry {
        var place: Int
        var reservation: MemoryReservation
        var displaced: @Sendable () -> Void
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var queue = IdleQueue<ObjectIdentifier>()
        var lastPlace = 0

        mutating func removeFirst(besides id: ObjectIdentifier) -> Entry? {
            while let first = queue.first, let place = queue.firstPlace {
                guard first != id || entries[first]?.place != place else {
                    // The connection that needs memory is itself the oldest one, so no other is closed for it.
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

    /// Half of the most that heads can take. For requests under way, nothing more than their heads is reserved beyond this.
    var half: Int { memory.maximum(of: .head) / 2 }

    /// Counts a refusal that is answered to a client.
    func count(_ refusal: MemoryRefusal) { memory.count(refusal, of: .head) }

    /// Reserves this number of bytes in all for a connection. Other connections may be closed for it, but not with a `ceiling`.
    ///
    /// Throws `MemoryRefusal`, which is not counted.
    ///
    /// - Parameter ceiling: The most bytes that may be reserved for all heads afterwards.
    func reserve(
        _ bytes: Int,
        _ reservation: MemoryReservation?,
        for channel: any Channel,
        upTo ceiling: Int? = nil
    ) throws(MemoryRefusal) -> MemoryReservation {
        while true {
            do throws(MemoryRefusal) {
                guard let reservation else {
                    return try memory.reserve(bytes, .head, upTo: ceiling, isCounted: false)
                }
                try reservation.resize(to: bytes, upTo: ceiling, isCounted: false)
                return reservation
            } catch {
                let id = ObjectIdentifier(channel)
                guard error == .full, ceiling == nil,
                    let victim = state.withLock({ $0.removeFirst(besides: id) })
                else { throw error }
                victim.reservation.release()
                victim.displaced()
            }
        }
    }

    /// From now on this connection may be closed for others. Its reservation is then released, and `displaced` is called on any
    /// thread. The head may have ended by then.
    func began(
        _ channel: any Channel,
        _ reservation: MemoryReservation,
        displaced: @escaping @Sendable () -> Void
    ) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            state.lastPlace += 1
            state.entries[id] = Entry(place: state.lastPlace, reservation: reservation, displaced: displaced)
            state.queue.add(id, place: state.lastPlace)
            if state.queue.count > 4 * state.entries.count + 64 {
                let entries = state.entries
                state.queue.keep { entries[$0]?.place == $1 }
            }
        }
    }

    /// The connection may not be closed for others any more: its head has ended, or the connection has.
    func ended(_ channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)] = nil }
    }
}
