import Exports
import Synchronization

/// What the head of an upstream's answer says about a file's bytes.
struct FileFacts: Sendable, Hashable {
    /// The length of the plain file.
    var size: Int64?
    /// The upstream's strong validator.
    var validator: String?
    /// Whether the upstream says that it serves parts.
    var servesRanges = false
}

extension FileFacts {
    /// The same facts, with the record's length where the upstream sends none.
    init(_ facts: FileFacts, or size: Int64?) {
        self = facts
        self.size = facts.size ?? size
    }
}

/// The facts of the files that were opened last, so that `HEAD` answers like the last `GET`.
///
/// It is a hint only: each opening determines the facts again. It is bounded, and the oldest entries are evicted.
final class KnownFiles: Sendable {
    private struct Key: Hashable {
        var export: ExportID
        var file: String
    }

    private struct State {
        var facts: [Key: FileFacts] = [:]
        /// The keys in the order of insertion, as a ring.
        var order: [Key] = []
        var oldest = 0
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int = 4096) {
        self.capacity = capacity
    }

    func facts(of file: ExportFile, in export: ExportID) -> FileFacts? {
        state.withLock { $0.facts[Key(export: export, file: file.id)] }
    }

    func note(_ facts: FileFacts, of file: ExportFile, in export: ExportID) {
        let key = Key(export: export, file: file.id)
        state.withLock { state in
            guard state.facts.updateValue(facts, forKey: key) == nil else { return }
            if state.order.count < capacity {
                state.order.append(key)
            } else {
                state.facts[state.order[state.oldest]] = nil
                state.order[state.oldest] = key
                state.oldest = (state.oldest + 1) % capacity
            }
        }
    }
}
