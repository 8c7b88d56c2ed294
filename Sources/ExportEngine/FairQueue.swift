import DequeModule

/// Waiting elements of several owners: each owner's come in their order, and the owners take turns, so that one with a
/// thousand holds up another's only one for one element and not for a thousand.
///
/// Putting in and taking out cost the same however many wait.
struct FairQueue<Owner: Hashable & Sendable, Element: Sendable>: Sendable {
    private var queues: [Owner: Deque<Element>] = [:]
    /// The owners with something waiting, in the order of their turns.
    private var turns: Deque<Owner> = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Puts an element behind all others of its owner.
    mutating func append(_ element: Element, of owner: Owner) {
        count += 1
        if queues[owner]?.append(element) == nil {
            queues[owner] = [element]
            turns.append(owner)
        }
    }

    /// Takes out the next element of the owner whose turn it is; nil when nothing waits.
    mutating func popFirst() -> Element? {
        guard let owner = turns.popFirst(), let element = queues[owner]?.popFirst() else { return nil }
        count -= 1
        if queues[owner]?.isEmpty == true {
            queues[owner] = nil
        } else {
            turns.append(owner)
        }
        return element
    }

    /// Takes out the next elements, at most `limit`.
    mutating func popFirst(_ limit: Int) -> [Element] {
        var taken: [Element] = []
        while taken.count < limit, let next = popFirst() { taken.append(next) }
        return taken
    }
}
