import Exports

// A budget that several replicas share. Without a limit there is nothing to share, and these functions do nothing.
extension CallBudget {
    /// The budget is shared from now on, by messages to `peers`, which is called from any thread. Until it is known who leads, no
    /// call has a place.
    public func share(through peers: any BudgetPeers) {
        guard budget != nil else { return }
        change { state in
            state.peers = peers
            state.budget.share()
        }
    }

    /// This replica leads: all places are counted here. `epoch` is that of the lease. Above 1 somebody has led before, so that the
    /// whole budget counts as used until that is certainly over, or until the former leader has told what it has used.
    public func lead(epoch: Int64) { change { $0.budget.lead(epoch: epoch, at: now) } }

    /// Another replica leads, and gives the places to the calls of this one.
    public func follow(_ leader: String) { change { $0.budget.follow(leader, at: now) } }

    /// Nobody is known to lead: calls wait until their patience ends. If this replica has led, it tells the next leader what is
    /// used.
    public func nobodyLeads() { change { $0.budget.nobodyLeads(at: now) } }

    /// The registration of this replica, and the lease if it leads, are valid until `deadline`, by the monotonic clock. After that
    /// this replica gives no place and uses none, until it is called again.
    public func isValid(until deadline: Duration) {
        let deadline = Timestamp(milliseconds: deadline.milliseconds)
        change { $0.budget.isValid(until: deadline, at: now) }
    }

    /// The ids of the replicas whose registration is valid. Of two calls, the second one has what was read after the first one.
    public func sees(_ replicas: Set<String>) { change { $0.budget.sees(replicas, at: now) } }

    /// A message of another replica.
    public func receive(_ message: BudgetMessage, from replica: String) {
        change { $0.budget.receive(message, from: replica, at: now) }
    }
}
