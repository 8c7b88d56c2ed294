import ExportLedger
import Exports
import PostgreSQL

/// What a write needs of the database before it runs.
struct WriteNeeds: Sendable {
    /// Exports whose rows are locked and read.
    var records: [ExportID] = []
    /// Whether it has to be known what this replica works on.
    var readsRegistration = false
    /// The key that a new export is created with.
    var claim: Claim?
    /// Webhooks whose rows are locked and read.
    var webhooks: [ExportID] = []
    /// The claim on a webhook's message that is to be ended. Its webhook is among `webhooks`.
    var messageClaim: LockedWebhooks.MessageClaim?

    /// The limit of the caller for whom a new export is stored.
    var limitedCreation: (caller: String, limit: CreationLimit)?

    struct Claim: Sendable {
        var caller: String
        var idempotency: Idempotency
        var exportID: ExportID
        var createdAt: Timestamp
        var since: Timestamp
    }
}

/// A write that waits for its group.
struct PendingWrite: Sendable {
    enum Kind: Sendable {
        /// A caller waits for a new export. These writes come first in a group; a quarter of each group's places is kept for the
        /// others.
        case creation
        case change
        /// A change that locks rows which are not known before. It is a group of its own, so that it cannot wait for a replica that
        /// waits for it.
        case alone
    }

    /// What a write returns, from what its statements returned. Called after the commit.
    typealias Outcome<Value> = @Sendable (ArraySlice<SQLRows>) -> Value

    /// Identifies a change, so that it can be cancelled.
    var number: UInt64
    var kind: Kind
    var needs: WriteNeeds
    /// Does the work in the open transaction, and returns what to do after the commit. It is called again where the transaction has
    /// to be repeated.
    var work: @Sendable (GroupTransaction, _ place: Int) throws -> @Sendable (ArraySlice<SQLRows>) -> Void
    var fail: @Sendable (any Error) -> Void
    /// Answers where the database refused a statement that had to change one row.
    var refuse: @Sendable () -> Void
    /// How often it was begun.
    var attempts = 0

    init<Value: Sendable>(
        number: UInt64,
        _ kind: Kind,
        _ needs: WriteNeeds,
        refused: Result<Value, any Error>,
        _ body: @escaping @Sendable (GroupTransaction, Int) throws -> Outcome<Value>,
        _ answer: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        self.number = number
        self.kind = kind
        self.needs = needs
        work = { transaction, place in
            let outcome = try body(transaction, place)
            return { answer(.success(outcome($0))) }
        }
        fail = { answer(.failure($0)) }
        refuse = { answer(refused) }
    }
}

/// The writes that wait, and the group whose outcome is not known.
struct WriteQueue: Sendable {
    var creations: [PendingWrite] = []
    var changes: [PendingWrite] = []
    var alone: [PendingWrite] = []
    /// A group whose connection was lost at its commit.
    var undetermined: UndeterminedGroup?
    var lastNumber: UInt64 = 0
    var isScheduled = false
    var isClosed = false
    /// The number of writes of the last group, or half of the former value, whichever is larger. So one group with a single write
    /// does not end the gathering.
    var recentSize = 0
    private var wasAlone = false

    var count: Int { creations.count + changes.count + alone.count }

    mutating func append(_ write: PendingWrite) {
        switch write.kind {
        case .creation: creations.append(write)
        case .change: changes.append(write)
        case .alone: alone.append(write)
        }
    }

    /// Puts writes back that came before those that wait now.
    mutating func putBack(_ writes: [PendingWrite]) {
        creations.insert(contentsOf: writes.filter { $0.kind == .creation }, at: 0)
        changes.insert(contentsOf: writes.filter { $0.kind == .change }, at: 0)
        alone.insert(contentsOf: writes.filter { $0.kind == .alone }, at: 0)
    }

    /// The next group, creations first. Groups and those that are written alone take turns.
    mutating func takeGroup(of limit: Int) -> [PendingWrite] {
        wasAlone = !alone.isEmpty && (!wasAlone || creations.isEmpty && changes.isEmpty)
        if wasAlone { return [alone.removeFirst()] }
        let reserved = min(changes.count, max(1, limit / 4))
        let first = creations.prefix(max(1, limit - reserved))
        creations.removeFirst(first.count)
        let others = changes.prefix(limit - first.count)
        changes.removeFirst(others.count)
        recentSize = max(first.count + others.count, recentSize / 2)
        return Array(first + others)
    }

    mutating func takeAll() -> [PendingWrite] {
        defer { (creations, changes, alone) = ([], [], []) }
        return creations + changes + alone
    }

    mutating func remove(_ number: UInt64) -> PendingWrite? {
        if let place = changes.firstIndex(where: { $0.number == number }) { return changes.remove(at: place) }
        return alone.firstIndex { $0.number == number }.map { alone.remove(at: $0) }
    }
}

/// A group whose connection was lost after its `COMMIT` was sent: it is stored, or it is not.
struct UndeterminedGroup: Sendable {
    var number: Int64
    var writes: [PendingWrite]
    /// What to do where it is stored.
    var answer: @Sendable () -> Void
    var lostAt: ContinuousClock.Instant
}
