public import Exports

/// What replicas that share a budget tell each other. Any message may be lost, come late, twice, or in another order: then a call
/// may have to ask again, but no place is used twice.
///
/// Numbers of asks are those of the replica that asks; numbers of places those of the leader.
public enum BudgetMessage: Sendable, Hashable {
    // To the leader.
    /// A call needs a place. Repeated while it waits.
    case ask(BudgetAsk)
    /// The call waits no longer, and will not use a place that it has got meanwhile.
    case leave(ask: UInt64)
    /// The call is sent only now.
    case sending(place: UInt64)
    /// The upstream has answered, or no answer will come any more.
    case answered(place: UInt64)
    /// The upstream refused the call with 429.
    case throttled(place: UInt64)
    /// Nothing of the call was sent.
    case givenBack(place: UInt64)
    /// Some work needs no further calls.
    case removed(PacedWork)

    // From the leader.
    /// The call waits in the leader's queue.
    case waiting(ask: UInt64)
    case granted(BudgetGrant)
    case queued(ask: UInt64, QueuePlace, comeBackIn: Duration)
    case held(ask: UInt64, Duration)

    // To all.
    /// A host asked for a pause.
    case hold(String, Duration)
    /// The leader makes fewer calls for a while, because of a 429.
    case limited(Int)
    /// What the leader shows of the budget.
    case status(BudgetUsage)
    /// A leader leads no longer. For the next one: how long until each of the places is free that it has given.
    case handedOver(epoch: Int64, freeIn: [Duration], limit: Int)
}

/// A call of another replica that needs a place.
public struct BudgetAsk: Sendable, Hashable {
    public var number: UInt64
    /// When it was sent, by the clock of the replica that asks, in milliseconds. The grant has it too.
    public var sentAt: Int64
    public var call: PacedCall

    /// Makes an ask.
    public init(number: UInt64, sentAt: Int64, call: PacedCall) {
        (self.number, self.sentAt, self.call) = (number, sentAt, call)
    }
}

/// A place for a call of another replica.
public struct BudgetGrant: Sendable, Hashable {
    /// The number of the ask.
    public var ask: UInt64
    public var place: UInt64
    /// The time in the ask that came first.
    public var sentAt: Int64
    /// How long that ask waited with the leader.
    public var waited: Duration
    /// How long after the grant the call may be sent.
    public var validFor: Duration

    /// Makes a grant.
    public init(ask: UInt64, place: UInt64, sentAt: Int64, waited: Duration, validFor: Duration) {
        (self.ask, self.place, self.sentAt) = (ask, place, sentAt)
        (self.waited, self.validFor) = (waited, validFor)
    }
}

/// Where the messages of a budget are sent.
public protocol BudgetPeers: Sendable {
    /// Sends messages to one replica, or to all others; they may be lost. Returns at once.
    func send(_ messages: [AddressedBudgetMessage])
}

/// A message and whom it is for.
public struct AddressedBudgetMessage: Sendable, Hashable {
    /// The id of a replica; nil for all others.
    public var to: String?
    public var message: BudgetMessage

    /// Makes a message for a replica, or for all others.
    public init(to: String?, _ message: BudgetMessage) { (self.to, self.message) = (to, message) }
}
