import Exports

/// What was downloaded with a ticket so far, and whether it can be used once more.
///
/// A ticket is good for one whole delivery. A client that was cut off goes on with a range, and may ask again for what it has: all
/// that counts is that the file has been sent, and that the answer with its last byte came to its end.
struct TicketHistory: Sendable {
    /// The most uses of one ticket.
    static let limit = 256

    /// Whether a ticket can be used.
    enum State: Sendable, Hashable {
        /// It can: the next use has this number.
        case usable(Int)
        /// Another download is under way with it.
        case inUse
        /// The file was delivered whole with it, or it was used too often.
        case used
    }

    let state: State

    /// - Parameters:
    ///   - deliveries: The uses of the ticket, in their order.
    ///   - size: The length of the file; nil where it is not known.
    init(_ deliveries: [Delivery], size: Int64?) {
        if deliveries.count >= Self.limit || Self.isExhausted(deliveries, size: size)
            || Self.isWhole(deliveries, size: size)
        {
            state = .used
        } else if deliveries.contains(where: { $0.outcome == .underWay }) {
            state = .inUse
        } else {
            state = .usable((deliveries.last?.ticket?.number ?? 0) + 1)
        }
    }

    /// Whether more was sent than a delivery and its resumptions need: a ticket does not give a file out again and again in ranges.
    private static func isExhausted(_ deliveries: [Delivery], size: Int64?) -> Bool {
        guard let size else { return false }
        let sent = deliveries.reduce(Int64(0)) { $0.addingReportingOverflow($1.fileBytes).partialValue }
        return sent > 2 * max(size, 1 << 20)
    }

    private static func isWhole(_ deliveries: [Delivery], size: Int64?) -> Bool {
        let ended = deliveries.filter { $0.outcome == .whole }
        if ended.contains(where: { $0.rangeFirst == nil }) { return true }
        // Without the length it cannot be told which range is the last one.
        guard let size else { return !ended.isEmpty }
        guard ended.contains(where: { $0.rangeLast.map { $0 >= size - 1 } ?? true }) else { return false }
        let parts =
            deliveries.map { delivery in
                let first = delivery.rangeFirst ?? 0
                // How much was sent before the gateway was killed is not known: it may have been all.
                let isUnknown = delivery.reason == Delivery.gatewayStopped
                return (first, isUnknown ? (delivery.rangeLast ?? size - 1) - first + 1 : delivery.fileBytes)
            }
            .sorted { $0.0 < $1.0 }
        var covered: Int64 = 0
        for (first, count) in parts where first <= covered { covered = max(covered, first + count) }
        return covered >= size
    }
}
