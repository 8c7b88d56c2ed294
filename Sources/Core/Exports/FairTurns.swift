/// Decides whose turn it is, where owners take turns by their weights (start-time fair queueing). Each turn moves its owner
/// forward by the turn's cost divided by the owner's weight. The owner with the least progress is next.
///
/// An owner that comes, or comes again, begins at the progress of the others: nobody saves up turns. At most `capacity` owners
/// are kept. Beyond that, those that are least far ahead of the others are evicted.
package struct FairTurns<Owner: Hashable & Sendable>: Sendable {
    /// How many owners are kept.
    package static var capacity: Int { 4096 }

    /// The progress of the last turn.
    private var progress = 0.0
    private var owners: [Owner: Double] = [:]

    package init() {}

    /// The progress at which an owner's next turn begins.
    package func begin(_ owner: Owner) -> Double { max(progress, owners[owner] ?? 0) }

    /// Records an owner's turn. With `movesOthersOn` false, the progress of the others stays as it is.
    package mutating func served(_ owner: Owner, weight: Int, movesOthersOn: Bool = true) {
        if movesOthersOn { progress = begin(owner) }
        move(owner, by: 1 / Double(max(1, weight)))
        evict()
    }

    /// Records a turn that served several owners at once: they share its cost.
    package mutating func served(_ shares: [(owner: Owner, weight: Int)], cost: Int) {
        guard let first = shares.map({ begin($0.owner) }).min() else { return }
        progress = first
        for share in shares {
            move(share.owner, by: Double(cost) / Double(shares.count) / Double(max(1, share.weight)))
        }
        evict()
    }

    private mutating func move(_ owner: Owner, by step: Double) { owners[owner] = begin(owner) + step }

    /// Owners that are not ahead need not be kept. Of the others, those with the most progress are kept: they have had the most.
    private mutating func evict() {
        guard owners.count > Self.capacity else { return }
        owners = owners.filter { $0.value > progress }
        guard owners.count > Self.capacity else { return }
        for owner in owners.sorted(by: { $0.value < $1.value }).prefix(Self.capacity / 2) { owners[owner.key] = nil }
    }
}
