import Exports
import NIOCore
import Synchronization

/// The uses of tickets that this process carries out. A later use breaks an earlier one off: a client that was cut off comes back
/// sooner than the gateway may notice the cut.
final class LiveUses: Sendable {
    private struct Use {
        var delivery: ExportID
        var channel: any Channel
        /// Fired at its end, one for each request that waits for it.
        var waiters: [Signal] = []
    }

    private let uses = Mutex<[ExportID: Use]>([:])

    /// A delivery with the ticket begins on a connection.
    func began(_ delivery: Delivery, on channel: any Channel) {
        guard let ticket = delivery.ticket?.ticket else { return }
        uses.withLock { $0[ticket] = Use(delivery: delivery.id, channel: channel) }
    }

    /// A delivery was stored as ended.
    func ended(_ delivery: Delivery) {
        guard let ticket = delivery.ticket?.ticket else { return }
        let waiters = uses.withLock { uses -> [Signal] in
            guard let use = uses[ticket], use.delivery == delivery.id else { return [] }
            uses[ticket] = nil
            return use.waiters
        }
        for waiter in waiters { waiter.fire() }
    }

    /// Closes the connection of the use that is under way with a ticket, and waits until that was stored, or for `limit`. False where
    /// there is none in this process.
    func breakOff(_ ticket: ExportID, within limit: Duration, of time: any TimeSource) async -> Bool {
        let ended = Signal()
        let channel = uses.withLock { uses in
            uses[ticket]?.waiters.append(ended)
            return uses[ticket]?.channel
        }
        guard let channel else { return false }
        channel.close(promise: nil)
        _ = await ended.wait(deadline: time.now() + limit, of: time)
        return true
    }
}
