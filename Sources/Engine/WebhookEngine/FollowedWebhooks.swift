import ExportLedger
import Exports
import Webhooks

/// The enabled webhooks, and how far each has read the changes. No I/O.
struct FollowedWebhooks {
    /// One of them.
    struct Entry {
        /// As the ledger has it, with the position that is stored.
        var webhook: Webhook
        /// Changes up to this position were read. Those after the stored position had no message for it.
        var position: Int64
    }

    /// How far `position` may be ahead of what is stored. What is not stored is read again after a restart.
    static let longestUnstored: Int64 = 5_000

    private(set) var entries: [ExportID: Entry] = [:]

    /// Follows these and no others. Those that were followed before, and have not been changed, keep how far they have read.
    mutating func replace(with webhooks: [Webhook]) {
        let before = entries
        entries = [:]
        for webhook in webhooks { put(webhook, after: before[webhook.id]) }
    }

    /// Another state of a webhook was read; nil where it is gone.
    mutating func put(_ webhook: Webhook?, id: ExportID) {
        let before = entries.removeValue(forKey: id)
        if let webhook, webhook.state == .enabled { put(webhook, after: before) }
    }

    private mutating func put(_ webhook: Webhook, after before: Entry?) {
        // What was read for an earlier revision may be wanted now.
        let isSame = before?.webhook.revision == webhook.revision
        let position = max(webhook.position, isSame ? before?.position ?? 0 : 0)
        entries[webhook.id] = Entry(webhook: webhook, position: position)
    }

    /// The positions at which a page of changes has to be read, the lowest first.
    func starts(among isReady: (ExportID) -> Bool) -> [Int64] {
        Set(entries.values.filter { isReady($0.webhook.id) }.map(\.position)).sorted()
    }

    /// Those that have read up to a position, in the order of their ids.
    func at(_ position: Int64, among isReady: (ExportID) -> Bool) -> [Entry] {
        entries.values.filter { $0.position == position && isReady($0.webhook.id) }
            .sorted { $0.webhook.id < $1.webhook.id }
    }

    /// A webhook has read up to a position, which was stored or not.
    mutating func read(_ id: ExportID, through position: Int64, isStored: Bool) {
        entries[id]?.position = position
        if isStored { entries[id]?.webhook.position = position }
    }
}
