public import Exports

/// Puts entries into their order: gives each its number and its code. A value without I/O; that there is one chain is up to
/// whoever stores the rows.
public struct AuditChain: Sendable {
    /// What to do with entries that were read to be sealed.
    public struct Batch: Sendable {
        /// What becomes of an entry.
        public enum Fate: Sendable, Hashable {
            /// It is in the chain.
            case sealed
            /// It waits: until its key is known, or until the chain begins as it has to.
            case waiting
            /// The gateway did not make it, or has sealed it before: it is put aside.
            case rejected
        }

        /// In their order.
        public var rows: [AuditRow] = []
        /// One for each entry, in the order of the entries.
        public var fates: [Fate] = []
        public var rejected: [AuditEntry] = []
        /// Those whose key is not known.
        public var waiting: [AuditEntry] = []
        /// Why nothing is sealed; nil where entries are.
        public var finding: AuditFinding?
        /// The anchor that was proved; nil where there is none.
        public var anchor: AuditAnchor?

        /// Nothing is to be done.
        public init() {}
    }

    /// Where the chain ends; nil where it has no row yet.
    public private(set) var head: AuditHead?
    let key: AuditKey
    let keys: AuditKeys
    let time: Timestamp
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

    /// Seals entries in this order. Those of a key that is not known wait. Those that are not authentic are rejected, and a row
    /// says how many (``AuditAction/reject``). So are those that were sealed before: whose ids are among `known`, or that are
    /// not later than the entries whose rows were deleted (``AuditAnchor/newest``). Where the key is another one than that of
    /// the last row, a row says so first.
    ///
    /// Where the chain does not begin as a gateway has left it, all entries wait: nobody can say then which of them are copies.
    ///
    /// - Parameters:
    ///   - ends: The ends of the chain. The head is that after which this one goes on.
    ///   - former: An anchor that was proved before.
    public mutating func seal(
        _ entries: [AuditEntry],
        known: Set<ExportID> = [],
        in ends: AuditEnds,
        after former: AuditAnchor? = nil
    ) -> Batch {
        var (batch, seen) = (Batch(), known)
        if let finding = ends.finding(keys, after: former) {
            batch.finding = finding
            batch.fates = entries.map { _ in .waiting }
            return batch
        }
        batch.anchor = ends.anchor
        for entry in entries {
            let fate = fate(of: entry, &seen, ends.anchor)
            batch.fates.append(fate)
            switch fate {
            case .sealed: add(entry, to: &batch.rows)
            case .waiting: batch.waiting.append(entry)
            case .rejected: batch.rejected.append(entry)
            }
        }
        if let first = batch.rejected.first {
            let details = ["count": "\(batch.rejected.count)", "first": "\(first.id)"]
            add(own(.reject, .failed, details), to: &batch.rows)
        }
        return batch
    }

    private func fate(of entry: AuditEntry, _ seen: inout Set<ExportID>, _ anchor: AuditAnchor?) -> Batch.Fate {
        guard let maker = keys[entry.keyID] else { return .waiting }
        guard !entry.action.isOfChain, maker.hasStamped(entry) else { return .rejected }
        if let anchor, entry.time <= anchor.newest { return .rejected }
        // After the stamp: one that was made up must not keep out the one whose id it has.
        return seen.insert(entry.id).inserted ? .sealed : .rejected
    }

    /// Seals that the rows up to `last` are deleted. Returns what follows the end of the chain.
    mutating func sealDeletion(through last: AuditRow) -> [AuditRow] {
        var rows: [AuditRow] = []
        let details = ["through": "\(last.sequence)", "before": "\(last.entry.time)"]
        add(own(.trim, .succeeded, details), to: &rows)
        return rows
    }

    private mutating func add(_ entry: AuditEntry, to rows: inout [AuditRow]) {
        if head?.keyID != key.id {
            var details = ["to": key.id]
            details["from"] = head?.keyID
            append(own(.keyChange, .succeeded, details), to: &rows)
        }
        append(entry, to: &rows)
    }

    private mutating func append(_ entry: AuditEntry, to rows: inout [AuditRow]) {
        let row = key.seal(entry, as: (head?.sequence ?? 0) + 1, after: head?.code ?? AuditRow.noCode)
        head = AuditHead(row)
        rows.append(row)
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
