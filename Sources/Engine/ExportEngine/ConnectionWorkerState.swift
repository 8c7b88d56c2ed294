import Exports

/// The exports of one connection that are due, in work, or waiting. A plain value: no I/O.
struct ConnectionWorkerState: Sendable {
    /// The kind of work that an export waits for. Each kind has its own limit of concurrent calls. The raw value is a metric
    /// label.
    enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A call that starts a job. It is completed even while the process shuts down.
        case submission = "start"
        /// Reconciling a start, canceling a job, or determining what there is to do.
        case followUp = "follow-up"
        case observation = "poll"
        /// A poll that a caller waits for, where the other polls share one call.
        case refresh
    }

    /// The work to begin now. The observations in one list share one call.
    struct Work: Sendable {
        var submissions: [ExportID] = []
        var followUps: [ExportID] = []
        var observations: [[ExportID]] = []
        /// Observations that callers wait for, where the others share one call.
        var refreshes: [[ExportID]] = []
        /// How late each of the observations is.
        var lags: [Duration] = []

        var isEmpty: Bool {
            submissions.isEmpty && followUps.isEmpty && observations.isEmpty && refreshes.isEmpty
        }
    }

    /// How many due exports are taken at once, and how many are polled with one call, where the provider can poll several.
    static let largestBatch = 1000

    /// Exports that become due within this time are polled with the same call, where the request budget had no place for it
    /// before.
    static let longestAhead = Duration.seconds(60)

    let observesInBatches: Bool
    let callsAtOnce: Int
    private let weight: @Sendable (String) -> Int
    var entries: [ExportID: Entry] = [:]
    private var queue = DueQueue()
    private var ready: [Kind: FairQueue<String, ExportID>] = [:]
    private var inFlight: [Kind: Int] = [:]
    /// When starts were begun last.
    private var lastStart: Timestamp?
    /// Until when the request budget is expected to have no place for a start.
    private var startsHeldUntil: Timestamp?
    /// The time in which the request budget has no place for the one call that polls many. What becomes due meanwhile joins it.
    var observationsHeld: Range<Timestamp>?
    /// The turns of callers whose exports are polled with their own tokens; nil is the application's token, for all others.
    var tokenTurns = FairTurns<String?>()
    /// The secrets of starts, which must not be stored.
    private var secrets: [ExportID: [String: Secret]] = [:]
    /// The owners under which no work goes on, with the exports that tasks still work on.
    private var revoked: [String: (busy: Set<ExportID>, drained: Signal)] = [:]
    /// Exports that changed before they were adopted: the record that is adopted may be older.
    private var earlyNews: Set<ExportID> = []
    private(set) var isRunning = false
    /// How many take-overs are under way. The first one begins with the engine.
    private var takeOvers = 1
    /// Whether everything that others left unfinished has been adopted.
    var isTakenOver: Bool { takeOvers == 0 }
    var isStopping = false
    /// The latest time that was seen. An earlier time means that the clock was set back.
    private var latest: Timestamp?

    init(
        observesInBatches: Bool,
        callsAtOnce: Int,
        weight: @escaping @Sendable (String) -> Int = { _ in 1 }
    ) {
        self.observesInBatches = observesInBatches
        self.callsAtOnce = callsAtOnce
        self.weight = weight
    }

    // MARK: Exports come and go

    /// Adopts an export, or updates its fence. A task that works on it is not disturbed.
    /// `held` is the stored time for which the request budget has held it back.
    mutating func adopt(
        _ id: ExportID,
        of caller: String,
        fence: Int64,
        owner: String? = nil,
        kind: Kind,
        at time: Timestamp,
        held: HeldTime = .none
    ) {
        var entry = entries[id] ?? Entry(caller: caller, fence: fence, owner: owner, kind: kind, held: held)
        guard entry.fence <= fence else { return }
        if entry.isBusy, fence > entry.fence { entry.isAdoptedAgain = true }
        entry.fence = fence
        if entry.owner != owner {
            ends(id, under: entry.owner)
            entry.owner = owner
        }
        if entry.isBusy {
            entry.isWoken = true
        } else {
            entry.kind = kind
            queue.set(id, at: time)
        }
        entries[id] = entry
    }

    /// Makes an export due now, because something about it changed outside the worker.
    mutating func wake(_ id: ExportID, at now: Timestamp) {
        guard var entry = entries[id] else {
            if !isTakenOver, !isStopping { earlyNews.insert(id) }
            return
        }
        if entry.isBusy {
            entry.isWoken = true
        } else {
            entry.kind = .followUp
            queue.set(id, at: now)
        }
        entries[id] = entry
    }

    /// Whether an export changed before it was adopted. Reading it resets it.
    mutating func takeEarlyNews(of id: ExportID) -> Bool { earlyNews.remove(id) != nil }

    /// Releases an export after work on it. Returns the signals of those who waited for that.
    mutating func release(_ id: ExportID, until next: (kind: Kind, time: Timestamp), at now: Timestamp) -> [Signal] {
        guard var entry = entries[id] else { return [] }
        if let owner = entry.owner, revoked[owner] != nil { return removeNow(id) }
        let refreshers = entry.refreshers
        entry.isBusy = false
        entry.isAdoptedAgain = false
        if !entry.isHeldBack, let since = entry.heldSince {
            entry.heldFor += max(.zero, now - since)
            entry.heldSince = nil
        }
        entry.isHeldBack = false
        entry.refreshers = []
        entry.kind = entry.isWoken ? .followUp : next.kind
        queue.set(id, at: entry.isWoken ? now : next.time)
        entry.isWoken = false
        entries[id] = entry
        return refreshers
    }

    /// Removes an export for good, unless it was adopted again meanwhile. Returns the signals of those who waited for it.
    mutating func remove(_ id: ExportID, at now: Timestamp) -> [Signal] {
        if entries[id]?.isAdoptedAgain == true { return release(id, until: (.followUp, now), at: now) }
        return removeNow(id)
    }

    private mutating func removeNow(_ id: ExportID) -> [Signal] {
        queue.remove(id)
        secrets[id] = nil
        let entry = entries.removeValue(forKey: id)
        ends(id, under: entry?.owner)
        return entry?.refreshers ?? []
    }

    // MARK: Leases

    /// Ends all work under an owner: exports that no task works on are removed, and the others as soon as their tasks release them.
    /// Returns the exports that tasks work on, and the signals of those who waited for the others. `drained` is fired when no
    /// task works on any of them any more, at once where that is so now.
    mutating func revoke(_ owner: String, drained: Signal) -> (busy: Set<ExportID>, waiting: [Signal]) {
        var busy: Set<ExportID> = []
        var waiting: [Signal] = []
        for (id, entry) in entries where entry.owner == owner {
            // What only waits for its turn is let go when the turn comes, because it is in a queue.
            if entry.isBusy { busy.insert(id) } else { waiting += removeNow(id) }
        }
        if busy.isEmpty { drained.fire() } else { revoked[owner] = (busy, drained) }
        return (busy, waiting)
    }

    /// An export is not worked on under this owner any more.
    private mutating func ends(_ id: ExportID, under owner: String?) {
        guard let owner, revoked[owner]?.busy.remove(id) != nil, revoked[owner]?.busy.isEmpty == true else { return }
        revoked.removeValue(forKey: owner)?.drained.fire()
    }

    /// Requests an early poll or reconciliation. Nil when none will be made; otherwise a signal that is fired when it is over.
    mutating func refresh(_ id: ExportID, as kind: Kind, at now: Timestamp) -> Signal? {
        guard isRunning, !isStopping, var entry = entries[id], entry.kind == kind else { return nil }
        let waitsForList = observesInBatches && entry.readyFor == .observation
        if !entry.isBusy || waitsForList {
            if let quiet = entry.quiet, quiet.contains(now) { return nil }
            if waitsForList {
                entry.readyFor = .refresh
                ready[.refresh, default: FairQueue(weight: weight)].append(id, of: entry.caller)
            } else if !entry.wantsRefresh {
                queue.set(id, at: now)
            }
            entry.wantsRefresh = true
        }
        let signal = Signal()
        entry.refreshers.append(signal)
        entries[id] = entry
        return signal
    }

    /// A caller no longer waits for an early poll.
    mutating func giveUp(_ signal: Signal, for id: ExportID) {
        entries[id]?.refreshers.removeAll { $0 === signal }
    }

    /// Starts work on an export. Returns whether it is a refresh, which is not bound to the export's due time.
    mutating func takeRefresh(_ id: ExportID) -> Bool {
        guard entries[id]?.wantsRefresh == true else { return false }
        entries[id]?.wantsRefresh = false
        return true
    }

    mutating func keepQuiet(_ id: ExportID, for pause: Duration, at now: Timestamp) {
        entries[id]?.quiet = now..<now + max(.zero, pause)
    }

    mutating func keep(_ values: [String: Secret], for id: ExportID) { secrets[id] = values }
    mutating func dropSecrets(of id: ExportID) { secrets[id] = nil }
    func secrets(of id: ExportID) -> [String: Secret]? { secrets[id] }

    /// Begins to work.
    mutating func startRunning() { isRunning = true }

    /// Records that unfinished exports are being adopted: some that change now are not here yet.
    mutating func beginTakeOver() { takeOvers += 1 }

    /// Records that everything unfinished has been adopted: what is not here has ended, or is not this engine's.
    mutating func endTakeOver() {
        takeOvers = max(0, takeOvers - 1)
        if isTakenOver { earlyNews = [] }
    }

    /// Ends all waiting for refreshes.
    mutating func stopRunning() -> [Signal] {
        isRunning = false
        let waiting = entries.values.flatMap(\.refreshers)
        for id in entries.keys { entries[id]?.refreshers = [] }
        return waiting
    }

    // MARK: Work

    /// Takes the work that is due and can begin. `next` is when to call this again if nothing else happens before.
    mutating func takeWork(at now: Timestamp) -> (work: Work, next: Timestamp?) {
        // The clock was set back, so the due times are wrong. All exports are checked now; their records say which can wait.
        if let latest, latest - now > .seconds(1) {
            for (id, entry) in entries where !entry.isBusy { queue.set(id, at: now) }
            observationsHeld = nil
        }
        latest = now
        var examined = 0
        while examined < Self.largestBatch, let time = queue.nextTime(), let id = queue.popDue(at: now) {
            examined += 1
            guard let entry = entries[id] else { continue }
            entries[id]?.isBusy = true
            entries[id]?.dueAt = time
            let kind = observesInBatches && entry.kind == .observation && entry.wantsRefresh ? .refresh : entry.kind
            entries[id]?.readyFor = kind
            if kind == .observation, observesInBatches {
                guard !entry.isListed else { continue }
                entries[id]?.isListed = true
            }
            ready[kind, default: FairQueue(weight: weight)].append(id, of: entry.caller)
        }
        var work = Work()
        work.submissions = take(.submission, at: now)
        work.followUps = take(.followUp, at: now)
        var next = queue.nextTime()
        if observesInBatches {
            let heldUntil = observationsHeld.flatMap { $0.upperBound > now ? $0.upperBound : nil }
            if let heldUntil, waiting(.observation) > 0 {
                next = min(next ?? heldUntil, heldUntil)
            } else if inFlight[.observation, default: 0] == 0, waiting(.observation) > 0 {
                if observationsHeld != nil { bringForward(at: now) }
                if let batch = takeBatch(.observation) {
                    work.observations = [batch]
                    inFlight[.observation] = 1
                }
                next = queue.nextTime()
            }
            // Refreshes have calls of their own, so that a caller does not also wait for the end of a long list.
            if inFlight[.refresh, default: 0] < callsAtOnce, let batch = takeBatch(.refresh) {
                work.refreshes = [batch]
                inFlight[.refresh, default: 0] += 1
            }
        } else {
            work.observations = take(.observation, at: now).map { [$0] }
        }
        if let start = nextStart(at: now) { next = min(next ?? start, start) }
        work.lags = work.observations.joined().compactMap { entries[$0]?.dueAt.map { max(.zero, now - $0) } }
        return (work, next)
    }

    /// The time between two starts while the request budget has no place for them.
    static let heldStartInterval = Duration.milliseconds(10)

    /// Records that the request budget had no place for a start. For a second, starts are begun one by one, with a pause after
    /// each: a start then only takes its place in the budget's queue, and a thousand of them must not delay the callers who create
    /// the next ones.
    mutating func holdStarts(at now: Timestamp) { startsHeldUntil = now + .seconds(1) }

    /// Records that a start has got its place: others may get theirs.
    mutating func startBegins() { startsHeldUntil = nil }

    /// Whether a start that is due now could be begun at once. If not, `takeWork` is called again when it can.
    func canStart(at now: Timestamp) -> Bool { available(.submission, at: now) > 0 }

    /// The end of the pause after the last start, while starts are held.
    private func nextStart(at now: Timestamp) -> Timestamp? {
        guard let startsHeldUntil, startsHeldUntil > now, let lastStart, lastStart <= now,
            lastStart + Self.heldStartInterval > now
        else { return nil }
        return lastStart + Self.heldStartInterval
    }

    private func available(_ kind: Kind, at now: Timestamp) -> Int {
        let available = callsAtOnce - inFlight[kind, default: 0]
        guard kind == .submission, startsHeldUntil.map({ $0 > now }) ?? false else { return available }
        return nextStart(at: now) == nil ? min(available, 1) : 0
    }

    /// How many exports are due and wait for a call.
    func waiting(_ kind: Kind) -> Int { ready[kind]?.count ?? 0 }

    /// Records that one piece of work is over.
    mutating func workIsDone(_ kind: Kind) { inFlight[kind, default: 1] -= 1 }

    private mutating func take(_ kind: Kind, at now: Timestamp) -> [ExportID] {
        let available = available(kind, at: now)
        guard available > 0, let taken = ready[kind]?.popFirst(available), !taken.isEmpty else { return [] }
        for id in taken { entries[id]?.readyFor = nil }
        if kind == .submission { lastStart = now }
        inFlight[kind, default: 0] += taken.count
        return taken
    }

    /// Where places are few, one list call also covers the exports that become due soon, if their minimum poll interval is over.
    private mutating func bringForward(at now: Timestamp) {
        var available = Self.largestBatch - waiting(.observation)
        var others: [(id: ExportID, time: Timestamp)] = []
        while available > 0, others.count < Self.largestBatch, let time = queue.nextTime(),
            time <= now + Self.longestAhead,
            let id = queue.popDue(at: time)
        {
            guard var entry = entries[id] else { continue }
            guard !entry.isBusy, entry.kind == .observation, !(entry.quiet?.contains(now) ?? false) else {
                others.append((id, time))
                continue
            }
            entry.isBusy = true
            entry.dueAt = now
            entry.wantsRefresh = true
            entry.readyFor = .observation
            if !entry.isListed { ready[.observation]?.append(id, of: entry.caller) }
            entry.isListed = true
            entries[id] = entry
            available -= 1
        }
        for other in others { queue.set(other.id, at: other.time) }
    }

    /// The exports for one call; nil where none is ready.
    private mutating func takeBatch(_ kind: Kind) -> [ExportID]? {
        var batch: [ExportID] = []
        while batch.count < Self.largestBatch, let id = ready[kind]?.popFirst() {
            if kind == .observation { entries[id]?.isListed = false }
            // The export may have moved to another queue, because a caller waits for it now.
            guard entries[id]?.readyFor == kind else { continue }
            entries[id]?.readyFor = nil
            if kind == .observation { wasHeldWithOthers(id) }
            batch.append(id)
        }
        if kind == .observation, !batch.isEmpty { observationsHeld = nil }
        return batch.isEmpty ? nil : batch
    }
}
