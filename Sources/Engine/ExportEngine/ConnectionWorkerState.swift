import Exports

/// Who is due, who is being worked on, and who waits, on one connection. A plain value: no I/O.
struct ConnectionWorkerState: Sendable {
    /// What kind of work an export waits for; each has its own share of the calls at once.
    enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A call that starts a job: finished even while the process shuts down.
        case submission
        /// Looking for a job, canceling one, or finding out what there is to do.
        case followUp
        case observation
        /// An observation that a caller waits for, where others go into one call.
        case refresh
    }

    /// What is to be started now. Observations in one list go into one call.
    struct Work: Sendable {
        var submissions: [ExportID] = []
        var followUps: [ExportID] = []
        var observations: [[ExportID]] = []
        /// Observations that callers wait for, where others go into one call.
        var refreshes: [[ExportID]] = []
        /// By how much each of the observations is late.
        var lags: [Duration] = []

        var isEmpty: Bool {
            submissions.isEmpty && followUps.isEmpty && observations.isEmpty && refreshes.isEmpty
        }
    }

    /// How many due exports are looked at in one go, and how many are observed with one call, where that takes several.
    static let largestBatch = 1000

    /// What would be due so much later goes into the one call for many too, where the request budget had no place for it before.
    static let longestAhead = Duration.seconds(60)

    let observesInBatches: Bool
    let callsAtOnce: Int
    private let weight: @Sendable (String) -> Int
    var entries: [ExportID: Entry] = [:]
    private var queue = DueQueue()
    private var ready: [Kind: FairQueue<String, ExportID>] = [:]
    private var inFlight: [Kind: Int] = [:]
    /// When the request budget has no place for the one call that observes many: what becomes due meanwhile goes into it.
    var observationsHeld: Range<Timestamp>?
    /// The callers whose own tokens exports are asked for with, and, as nil, all who are asked for with the application's.
    var tokenTurns = FairTurns<String?>()
    /// What the start needs and must not be written down.
    private var secrets: [ExportID: [String: Secret]] = [:]
    /// Exports of which there was news before they were taken over: what was read of them then may be old.
    private var earlyNews: Set<ExportID> = []
    private(set) var isRunning = false
    /// Whether everything that former engines left unfinished has been adopted.
    private(set) var isTakenOver = false
    var isStopping = false
    /// The latest time that was seen: an earlier one is a clock that was set back.
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

    /// Takes charge of an export, or learns of a newer fence. A task that has it is not disturbed.
    /// `held` is what was written down of the time for which the request budget has held it back.
    mutating func adopt(
        _ id: ExportID,
        of caller: String,
        fence: Int64,
        kind: Kind,
        at time: Timestamp,
        held: HeldTime = .none
    ) {
        var entry = entries[id] ?? Entry(caller: caller, fence: fence, kind: kind, held: held)
        guard entry.fence <= fence else { return }
        if entry.isBusy, fence > entry.fence { entry.isAdoptedAnew = true }
        entry.fence = fence
        if entry.isBusy {
            entry.isWoken = true
        } else {
            entry.kind = kind
            queue.set(id, at: time)
        }
        entries[id] = entry
    }

    /// Has an export looked at now: something about it changed outside.
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

    /// Whether there was news of an export before it was adopted. Asked once.
    mutating func takeEarlyNews(of id: ExportID) -> Bool { earlyNews.remove(id) != nil }

    /// Gives an export back after work on it. Returns those who waited for that.
    mutating func release(_ id: ExportID, until next: (kind: Kind, time: Timestamp), at now: Timestamp) -> [Signal] {
        guard var entry = entries[id] else { return [] }
        let refreshers = entry.refreshers
        entry.isBusy = false
        entry.isAdoptedAnew = false
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

    /// Lets go of an export for good, unless it was taken charge of once more meanwhile. Returns those who waited for it.
    mutating func remove(_ id: ExportID, at now: Timestamp) -> [Signal] {
        if entries[id]?.isAdoptedAnew == true { return release(id, until: (.followUp, now), at: now) }
        queue.remove(id)
        secrets[id] = nil
        return entries.removeValue(forKey: id)?.refreshers ?? []
    }

    /// Asks for an early observation, or look for the job. Nil when none is going to be made; else fired when it is over.
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

    /// Somebody waits no longer for an early observation.
    mutating func giveUp(_ signal: Signal, for id: ExportID) {
        entries[id]?.refreshers.removeAll { $0 === signal }
    }

    /// Starts work on an export: whether it is a refresh, which is not bound to the export's own time.
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

    /// Everything that was unfinished has been adopted: what is not here has ended.
    mutating func endTakeOver() {
        isTakenOver = true
        earlyNews = []
    }

    /// Ends all waiting for refreshes.
    mutating func stopRunning() -> [Signal] {
        isRunning = false
        let waiting = entries.values.flatMap(\.refreshers)
        for id in entries.keys { entries[id]?.refreshers = [] }
        return waiting
    }

    // MARK: Work

    /// Takes what is due and can be started, and says when to look again if nothing else happens before.
    mutating func takeWork(at now: Timestamp) -> (work: Work, next: Timestamp?) {
        // What was due by the former time is looked at now; its own record says whether it can wait.
        if let latest, latest - now > .seconds(1) {
            for (id, entry) in entries where !entry.isBusy { queue.set(id, at: now) }
            observationsHeld = nil
        }
        latest = now
        var looked = 0
        while looked < Self.largestBatch, let time = queue.nextTime(), let id = queue.popDue(at: now) {
            looked += 1
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
        work.submissions = take(.submission)
        work.followUps = take(.followUp)
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
            // Whoever waits for one does not wait for the end of a long list, too.
            if inFlight[.refresh, default: 0] < callsAtOnce, let batch = takeBatch(.refresh) {
                work.refreshes = [batch]
                inFlight[.refresh, default: 0] += 1
            }
        } else {
            work.observations = take(.observation).map { [$0] }
        }
        work.lags = work.observations.joined().compactMap { entries[$0]?.dueAt.map { max(.zero, now - $0) } }
        return (work, next)
    }

    /// How many exports are due and wait for a call.
    func waiting(_ kind: Kind) -> Int { ready[kind]?.count ?? 0 }

    /// One piece of work is over.
    mutating func workIsDone(_ kind: Kind) { inFlight[kind, default: 1] -= 1 }

    private mutating func take(_ kind: Kind) -> [ExportID] {
        let room = callsAtOnce - inFlight[kind, default: 0]
        guard room > 0, let taken = ready[kind]?.popFirst(room), !taken.isEmpty else { return [] }
        for id in taken { entries[id]?.readyFor = nil }
        inFlight[kind, default: 0] += taken.count
        return taken
    }

    /// Where places are few, a list is for all who would need another one soon, and whom the upstream lets ask already.
    private mutating func bringForward(at now: Timestamp) {
        var room = Self.largestBatch - waiting(.observation)
        var others: [(id: ExportID, time: Timestamp)] = []
        while room > 0, others.count < Self.largestBatch, let time = queue.nextTime(), time <= now + Self.longestAhead,
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
            room -= 1
        }
        for other in others { queue.set(other.id, at: other.time) }
    }

    /// What goes into one call; nil where nothing is ready.
    private mutating func takeBatch(_ kind: Kind) -> [ExportID]? {
        var batch: [ExportID] = []
        while batch.count < Self.largestBatch, let id = ready[kind]?.popFirst() {
            if kind == .observation { entries[id]?.isListed = false }
            // What a caller began to wait for meanwhile is in another queue, too.
            guard entries[id]?.readyFor == kind else { continue }
            entries[id]?.readyFor = nil
            if kind == .observation { wasHeldWithOthers(id) }
            batch.append(id)
        }
        if kind == .observation, !batch.isEmpty { observationsHeld = nil }
        return batch.isEmpty ? nil : batch
    }
}
