import Exports

extension ReplicaBudgetState {
    /// Takes in a message of another replica.
    mutating func receive(_ message: BudgetMessage, from replica: String, at time: Timestamp) {
        guard role != .alone else { return }
        switch message {
        case .ask(let ask): receive(ask, from: replica, at: time)
        case .leave(let ask): left(ask, by: replica, at: time)
        case .sending(let place): budget.sending(place, at: time)
        case .answered(let place):
            callEnded(place, of: replica)
            budget.answered(place, at: time)
        case .throttled(let place):
            guard throttledPlaces[place] == nil else { return }
            throttledPlaces.insert(place, true)
            throttled(.own(place), at: time)
        case .givenBack(let place):
            callEnded(place, of: replica)
            budget.giveBack(place, at: time)
        case .removed(let work): budget.remove(work)
        case .waiting(let ask): asked[ask]?.heardAt = time.milliseconds
        case .granted(let grant): granted(grant, by: replica, at: time)
        case .queued(let ask, let place, let wait): refused(ask, by: replica, .queued(place, comeBackIn: wait))
        case .held(let ask, let rest): refused(ask, by: replica, .held(rest))
        case .hold(let host, let duration): budget.hold(host, for: duration, at: time)
        case .limited(let limit): budget.adopt(limit, at: time)
        case .status(let usage):
            if role == .following(replica) { told = (usage, time.milliseconds) }
        case .handedOver(let epoch, let freeIn, let limit):
            handedOver = (epoch, freeIn, limit, time)
            believeFormerLeader(at: time)
        }
        serve(at: time)
    }
}
