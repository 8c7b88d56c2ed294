import NIOCore

/// Which connections there are, and which one is closed when there are too many: the decisions of `ConnectionTable`, without
/// its channels.
///
/// An idle connection is closed for a new one: first the unauthenticated connection that is idle for longest, then the
/// authenticated one that is idle for longest. A connection with a request under way is never closed for another.
struct ConnectionRegister<ID: Hashable & Sendable>: Sendable {
    private struct Entry {
        /// Requests whose answers have not ended.
        var underWay = 0
        var isAuthenticated = false
        /// When it became idle.
        var idleSince: NIODeadline
        /// Its latest place among the idle ones; older places count no more.
        var place = 0
        var isTold = false
    }

    /// What is to be done about too many connections.
    enum Decision: Hashable {
        /// Nothing: there are not too many, or all are busy.
        case nothing
        /// Close this connection.
        case close(ID)
        /// Ask again after ``grace``: the unauthenticated connections are so new that they had no time to send anything.
        case wait
    }

    /// How long an unauthenticated connection may be idle, however many connections there are.
    static var grace: TimeAmount { .milliseconds(200) }

    /// The most connections that stay open.
    let limit: Int
    private var entries: [ID: Entry] = [:]
    private var unauthenticated = IdleQueue<ID>()
    private var callers = IdleQueue<ID>()
    private var lastPlace = 0
    /// Those that were chosen to be closed and are still open.
    private var told = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// The entries of both queues, including those that do not count any more.
    var queued: Int { unauthenticated.count + callers.count }

    /// A connection was taken.
    mutating func opened(_ id: ID, at now: NIODeadline) {
        entries[id] = Entry(idleSince: now)
        becameIdle(id, at: now)
    }

    /// It has ended.
    mutating func closed(_ id: ID) {
        if entries.removeValue(forKey: id)?.isTold == true { told -= 1 }
    }

    /// A request came in.
    mutating func began(_ id: ID) {
        entries[id]?.underWay += 1
    }

    /// An answer has ended.
    mutating func ended(_ id: ID, at now: NIODeadline) {
        guard let entry = entries[id], entry.underWay > 0 else { return }
        entries[id]?.underWay -= 1
        if entry.underWay == 1 { becameIdle(id, at: now) }
    }

    /// A request on it was authenticated.
    mutating func authenticated(_ id: ID, at now: NIODeadline) {
        guard let entry = entries[id], !entry.isAuthenticated else { return }
        entries[id]?.isAuthenticated = true
        if entry.underWay == 0 { becameIdle(id, at: now) }
    }

    /// A connection that was chosen to be closed stays: a request came in before it was closed.
    mutating func spared(_ id: ID) {
        guard entries[id]?.isTold == true else { return }
        entries[id]?.isTold = false
        told -= 1
    }

    /// The connection to close now.
    mutating func next(at now: NIODeadline) -> Decision {
        guard entries.count - told > limit else { return .nothing }
        drop(from: \.unauthenticated, authenticated: false)
        drop(from: \.callers, authenticated: true)
        if let oldest = unauthenticated.first, let entry = entries[oldest] {
            return entry.idleSince + Self.grace <= now ? tell(oldest) : .wait
        }
        return callers.first.map { tell($0) } ?? .nothing
    }

    private mutating func tell(_ id: ID) -> Decision {
        entries[id]?.isTold = true
        told += 1
        return .close(id)
    }

    private mutating func becameIdle(_ id: ID, at now: NIODeadline) {
        guard let entry = entries[id], !entry.isTold else { return }
        lastPlace += 1
        entries[id]?.place = lastPlace
        entries[id]?.idleSince = now
        // Called for each answer, so no key path is used here: it would take longer than the rest.
        if entry.isAuthenticated {
            Self.add(id, place: lastPlace, to: &callers, entries)
        } else {
            Self.add(id, place: lastPlace, to: &unauthenticated, entries)
        }
    }

    private static func add(_ id: ID, place: Int, to queue: inout IdleQueue<ID>, _ entries: [ID: Entry]) {
        queue.add(id, place: place)
        if queue.count > 4 * entries.count + 64 { queue.keep { entries[$0]?.place == $1 } }
    }

    /// Drops those at the front of a queue that are not idle, or that are in the other one by now.
    private mutating func drop(from queue: WritableKeyPath<Self, IdleQueue<ID>>, authenticated: Bool) {
        while let id = self[keyPath: queue].first {
            if let entry = entries[id], entry.place == self[keyPath: queue].firstPlace, entry.underWay == 0,
                !entry.isTold,
                entry.isAuthenticated == authenticated
            {
                return
            }
            self[keyPath: queue].removeFirst()
        }
    }
}

/// Ids in the order in which the connections became idle. Those that were active since stay in the queue until they come to its
/// front, or until they are many.
struct IdleQueue<ID: Sendable>: Sendable {
    private var items: [(id: ID, place: Int)] = []
    private var head = 0

    var count: Int { items.count - head }
    var first: ID? { head < items.count ? items[head].id : nil }
    var firstPlace: Int? { head < items.count ? items[head].place : nil }

    mutating func add(_ id: ID, place: Int) { items.append((id, place)) }

    mutating func removeFirst() {
        head += 1
        guard head > 64, head * 2 > items.count else { return }
        items.removeFirst(head)
        head = 0
    }

    mutating func keep(_ isKept: (ID, Int) -> Bool) {
        items = items[head...].filter { isKept($0.id, $0.place) }
        head = 0
    }
}
