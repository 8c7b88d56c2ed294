import Exports

// Exports whose calls the request budget holds back.
extension ConnectionWorkerState {
    /// Records that the request budget had no place for an export's call: a due call with `isDue`, otherwise one that a caller
    /// asked for earlier. Returns how long the budget has held the export's work back in all.
    mutating func sentBack(_ id: ExportID, isDue: Bool = true, at now: Timestamp) -> HeldTime {
        guard var entry = entries[id] else { return .none }
        entry.sentBackAt = now
        if isDue {
            entry.isHeldBack = true
            // It may have been late before that for another reason: the gateway may not have run.
            entry.heldSince = entry.heldSince ?? now
        }
        entries[id] = entry
        return held(id, at: now)
    }

    /// Records that the request budget has no place before `time` for the one call that polls many exports.
    mutating func holdObservations(until time: Timestamp, at now: Timestamp) {
        guard observesInBatches else { return }
        let since = min(now, observationsHeld?.lowerBound ?? now)
        observationsHeld = since..<max(since, time)
    }

    /// How long the request budget has held an export's work back. The export's deadlines do not run in that time.
    func held(_ id: ExportID, at now: Timestamp) -> HeldTime {
        guard let entry = entries[id] else { return .none }
        let inAll = entry.heldFor + max(.zero, entry.heldSince.map { now - $0 } ?? .zero)
        return HeldTime(inAll: inAll, sinceAnswer: inAll - entry.heldBeforeAnswer)
    }

    /// The same as `held`; nil where this worker does not have the export.
    func heldTime(of id: ExportID, at now: Timestamp) -> HeldTime? { entries[id] == nil ? nil : held(id, at: now) }

    /// Records that the upstream was called, after the calls waited so long for their places. Returns how long the budget has
    /// held the export's work back in all.
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

    /// Records that an export may have waited for the one call that polls many.
    mutating func wasHeldWithOthers(_ id: ExportID) {
        guard let since = observationsHeld?.lowerBound, var entry = entries[id] else { return }
        entry.heldSince = entry.heldSince ?? max(since, entry.dueAt ?? since)
        entries[id] = entry
    }
}
