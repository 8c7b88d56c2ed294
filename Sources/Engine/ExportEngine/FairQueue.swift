import DequeModule

/// A queue of elements of several owners. The elements of one owner stay in their order, and the owners take turns. So an owner
/// with a thousand elements delays another owner's only element by one turn, not by a thousand.
///
/// Deficit round robin in which every element costs the same: an owner's turn is as many elements as its weight, and unused ones
/// are lost. Adding and removing take constant time.
struct FairQueue<Owner: Hashable & Sendable, Element: Sendable>: Sendable {
    private let weight: @Sendable (Owner) -> Int
    private var queues: [Owner: Deque<Element>] = [:]
    /// The owners with something waiting, in the order of their turns.
    private var turns: Deque<Owner> = []
    /// How many elements the first of them may still take in this turn; nil when it has not begun.
    private var rest: Int?
    private(set) var count = 0

    /// Makes an empty queue. `weight` is called at the beginning of each turn; a value below 1 counts as 1.
    init(weight: @escaping @Sendable (Owner) -> Int = { _ in 1 }) { self.weight = weight }

    var isEmpty: Bool { count == 0 }

    /// Puts an element behind all others of its owner.
    mutating func append(_ element: Element, of owner: Owner) {
        count += 1
        if queues[owner]?.append(element) == nil {
            queues[owner] = [element]
            turns.append(owner)
        }
    }

    /// Removes and returns the next element of the owner whose turn it is; nil when the queue is empty.
    mutating func popFirst() -> Element? {
        guard let owner = turns.first, let element = queues[owner]?.popFirst() else { return nil }
        count -= 1
        let left = (rest ?? max(1, weight(owner))) - 1
        if queues[owner]?.isEmpty == true {
            queues[owner] = nil
            turns.removeFirst()
            rest = nil
        } else if left == 0 {
            turns.append(turns.removeFirst())
            rest = nil
        } else {
            rest = left
        }
        return element
    }

    /// Removes and returns the next elements, at most `limit`.
    mutating func popFirst(_ limit: Int) -> [Element] {
        var taken: [Element] = []
        while taken.count < limit, let next = popFirst() { taken.append(next) }
        return taken
    }
}
