public import Exports

/// Puts entries into their order: gives each its number and its code. A value without I/O; that there is one chain is up to
/// whoever stores the rows.
public struct AuditChain: Sendable {
    /// What to do with entries that were read to be sealed.
    public struct Batch: Sendable {
        /// In their order.
        public var rows: [AuditRow] = []
        /// Entries that were not sealed, because the gateway did not make them, or has sealed them before.
        public var rejected: [AuditEntry] = []
    }

    /// Where the chain ends; nil where it has no row yet.
    public private(set) var head: AuditHead?
    private let key: AuditKey
    private let keys: AuditKeys
    private let time: Timestamp
    private let random: Randomness

    /// Goes on after `head`.
    ///
    /// - Parameters:
    ///   - key: Makes the codes.
    ///   - olderKeys: Those with which entries may have been stamped before the key was changed.
    ///   - time: The time of what is sealed about the chain itself.
    ///   - random: Makes ids of such rows.
    public init(after head: AuditHead?, key: AuditKey, olderKeys: [AuditKey], at time: Timestamp, random: Randomness) {
        self.head = head
        self.key = key
        keys = AuditKeys([key] + olderKeys)
        self.time = time
        self.random = random
    }

    /// Seals entries in this order. Those that are not authentic, and those whose ids are among `known`, are left out, and a row
    /// says how many (``AuditAction/reject``). Where the key is another one than that of the last row, a row says so first.
    public mutating func seal(_ entries: [AuditEntry], known: Set<ExportID> = []) -> Batch {
        var (batch, seen) = (Batch(), known)
        for entry in entries {
            guard !entry.action.isOfChain, seen.insert(entry.id).inserted, keys.haveStamped(entry) else {
                batch.rejected.append(entry)
                continue
            }
            add(entry, to: &batch)
        }
        if let first = batch.rejected.first {
            let details = ["count": "\(batch.rejected.count)", "first": "\(first.id)"]
            add(own(.reject, .failed, details), to: &batch)
        }
        return batch
    }

    /// Seals that the rows up to `last` are deleted.
    public mutating func trim(through last: AuditRow) -> Batch {
        var batch = Batch()
        add(own(.trim, .succeeded, ["through": "\(last.sequence)", "before": "\(last.entry.time)"]), to: &batch)
        return batch
    }

    private mutating func add(_ entry: AuditEntry, to batch: inout Batch) {
        if head?.keyID != key.id {
            var details = ["to": key.id]
            details["from"] = head?.keyID
            append(own(.keyChange, .succeeded, details), to: &batch)
        }
        append(entry, to: &batch)
    }

    private mutating func append(_ entry: AuditEntry, to batch: inout Batch) {
        let row = key.seal(entry, as: (head?.sequence ?? 0) + 1, after: head?.code ?? AuditRow.noCode)
        head = AuditHead(row)
        batch.rows.append(row)
    }

    private func own(_ action: AuditAction, _ outcome: AuditOutcome, _ details: [String: String]) -> AuditEntry {
        key.stamp(
            AuditEntry(
                id: random.newID(at: time),
                time: time,
                action: action,
                outcome: outcome,
                caller: Delivery.gatewayItself,
                details: details
            )
        )
    }
}
