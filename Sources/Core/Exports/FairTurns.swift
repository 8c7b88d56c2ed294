/// Whose turn it is where owners take turns by their weights: each turn moves its owner on by its cost divided by the owner's
/// weight, and whoever is least far is next (start-time fair queueing).
///
/// Who comes, or comes again, begins where the others are: nobody saves up turns. At most `remembered` owners are known; of more,
/// those are forgotten that are least far ahead of the others.
package struct FairTurns<Owner: Hashable & Sendable>: Sendable {
    /// How many owners are known.
    package static var remembered: Int { 4096 }

    /// How far the turns have come.
    private var progress = 0.0
    private var owners: [Owner: Double] = [:]

    package init() {}

    /// How far an owner is: where its next turn begins.
    package func begin(_ owner: Owner) -> Double { max(progress, owners[owner] ?? 0) }

    /// It was an owner's turn. One that is made beside the others' turns does not move those on.
    package mutating func served(_ owner: Owner, weight: Int, movesOthersOn: Bool = true) {
        if movesOthersOn { progress = begin(owner) }
        move(owner, by: 1 / Double(max(1, weight)))
        forget()
    }

    /// It was the turn of the one that is least far of some owners, and was of use to all of them: they share its cost.
    package mutating func served(_ shares: [(owner: Owner, weight: Int)], cost: Int) {
        guard let first = shares.map({ begin($0.owner) }).min() else { return }
        progress = first
        for share in shares {
            move(share.owner, by: Double(cost) / Double(shares.count) / Double(max(1, share.weight)))
        }
        forget()
    }

    private mutating func move(_ owner: Owner, by step: Double) { owners[owner] = begin(owner) + step }

    /// Those that are not ahead of anybody need not be known. Of the others, those that are furthest are kept: they have had the
    /// most.
    private mutating func forget() {
        guard owners.count > Self.remembered else { return }
        owners = owners.filter { $0.value > progress }
        guard owners.count > Self.remembered else { return }
        for owner in owners.sorted(by: { $0.value < $1.value }).prefix(Self.remembered / 2) { owners[owner.key] = nil }
    }
}
