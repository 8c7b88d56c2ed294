import Exports

// What the request budget holds back.
extension ConnectionWorkerState {
    /// The request budget had no place for an export's call, be it one that `isDue` or one that a caller wanted before. Returns for
    /// how long it has held its work back in all.
    mutating func sentBack(_ id: ExportID, isDue: Bool = true, at now: Timestamp) -> HeldTime {
        guard var entry = entries[id] else { return .none }
        entry.sentBackAt = now
        if isDue {
            entry.isHeldBack = true
            // Why it was late before that is another matter: the gateway may not have run.
            entry.heldSince = entry.heldSince ?? now
        }
        entries[id] = entry
        return held(id, at: now)
    }

    /// The request budget has no place for the one call that observes many before that.
    mutating func holdObservations(until time: Timestamp, at now: Timestamp) {
        guard observesInBatches else { return }
        let since = min(now, observationsHeld?.lowerBound ?? now)
        observationsHeld = since..<max(since, time)
    }

    /// For how long the request budget has held an export's work back. No deadline of the export runs in that time.
    func held(_ id: ExportID, at now: Timestamp) -> HeldTime {
        guard let entry = entries[id] else { return .none }
        let inAll = entry.heldFor + max(.zero, entry.heldSince.map { now - $0 } ?? .zero)
        return HeldTime(inAll: inAll, sinceAnswer: inAll - entry.heldBeforeAnswer)
    }

    /// The same; nil where nothing is known of the export here.
    func heldTime(of id: ExportID, at now: Timestamp) -> HeldTime? { entries[id] == nil ? nil : held(id, at: now) }

    /// The upstream has been asked, after its calls waited so long for their places. Returns for how long the budget has held
    /// the export's work back in all.
    mutating func wasAsked(_ id: ExportID, after wait: Duration, at now: Timestamp) -> HeldTime {
        var held = held(id, at: now)
        if entries[id]?.heldSince == nil {
            held.inAll += wait
            held.sinceAnswer += wait
        }
        entries[id]?.heldFor = held.inAll
        entries[id]?.heldBeforeAnswer = held.inAll
        entries[id]?.heldSince = nil
        entries[id]?.hasBeenAsked = true
        return held
    }

    /// An export may have waited for the one call that observes many.
    mutating func wasHeldWithOthers(_ id: ExportID) {
        guard let since = observationsHeld?.lowerBound, var entry = entries[id] else { return }
        entry.heldSince = entry.heldSince ?? max(since, entry.dueAt ?? since)
        entries[id] = entry
    }
}
