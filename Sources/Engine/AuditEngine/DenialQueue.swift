import Audit
import Exports

/// The denials that become rows soon. A value without I/O.
struct DenialQueue: Sendable {
    /// What becomes an entry, and of which time.
    enum Item: Sendable {
        case denial(AuditDenial, Timestamp)
        case leftOut(DenialWindow.LeftOut, Timestamp)
    }

    private var window: DenialWindow
    private let limit: Int
    private var items: [Item] = []
    /// How many were left out of rows of their own, and lost, since the counts were taken.
    private(set) var leftOut = 0
    private(set) var lost = 0

    init(_ limits: DenialWindow.Limits, limit: Int) {
        (window, self.limit) = (DenialWindow(limits), limit)
    }

    var isEmpty: Bool { items.isEmpty }

    /// Takes a denial. `elapsed` is a time of `TimeSource.elapsed`.
    mutating func add(_ denial: AuditDenial, at elapsed: Duration, _ now: Timestamp) {
        close(at: elapsed, now)
        guard window.takes(denial, at: elapsed) else {
            leftOut += 1
            return
        }
        append(.denial(denial, now))
    }

    /// Ends the present minute where it is over, or in any case.
    mutating func close(at elapsed: Duration, _ now: Timestamp, inAnyCase: Bool = false) {
        for one in window.close(at: elapsed, inAnyCase: inAnyCase) { append(.leftOut(one, now)) }
    }

    /// The items, which wait no longer.
    mutating func takeItems() -> [Item] {
        defer { items = [] }
        return items
    }

    /// Takes back what could not be stored.
    mutating func putBack(_ former: [Item]) {
        let kept = former.suffix(max(0, limit - items.count))
        lost += former.count - kept.count
        items = kept + items
    }

    mutating func takeCounts() -> (leftOut: Int, lost: Int) {
        defer { (leftOut, lost) = (0, 0) }
        return (leftOut, lost)
    }

    private mutating func append(_ item: Item) {
        guard items.count < limit else {
            lost += 1
            return
        }
        items.append(item)
    }
}

extension AuditWriter {
    /// The entry of an item.
    func entry(_ item: DenialQueue.Item) -> AuditEntry {
        switch item {
        case .denial(let denial, let time):
            entry(
                .deny,
                .refused,
                at: time,
                by: denial.origin,
                of: denial.exportID,
                ["code": denial.code.rawValue, "request": denial.request]
            )
        case .leftOut(let leftOut, let time):
            entry(
                .deny,
                .refused,
                at: time,
                by: AuditOrigin(caller: leftOut.caller, address: leftOut.address),
                ["leftOut": String(leftOut.count), "code": leftOut.code?.rawValue]
            )
        }
    }
}
