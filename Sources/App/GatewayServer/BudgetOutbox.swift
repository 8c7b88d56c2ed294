import Exports
import Pacing
import Synchronization

/// The messages of all budgets that wait to be sent. Several to one replica go in one message between replicas.
final class BudgetOutbox: Sendable {
    /// How many messages wait. Beyond that, further ones are lost.
    static let limit = 4096
    /// The most bytes of a body.
    static let bodyLimit = 6900

    struct Outgoing {
        var to: String?
        var lease: String
        var message: BudgetMessage
    }

    struct Body {
        var to: String?
        var text: String
        /// The messages that it has, by their places in the outbox.
        fileprivate var indices: [Int]
    }

    private let messages = Mutex<[Outgoing]>([])
    private let signal = Signal()

    func add(_ more: [AddressedBudgetMessage], of lease: String) {
        messages.withLock { messages in
            for message in more.prefix(Self.limit - messages.count) {
                messages.append(Outgoing(to: message.to, lease: lease, message: message.message))
            }
        }
        signal.fire()
    }

    /// Returns when there may be messages, or the task is cancelled.
    func wait() async { await signal.wait() }

    /// The next body: the first message, and as many others for the same replica as fit. Nil where there is none. It stays until
    /// it is removed. Only one task takes bodies.
    func next() -> Body? {
        messages.withLock { messages -> Body? in
            guard let first = messages.first else { return nil }
            let to = first.to
            var texts: [[UInt8]] = []
            var (indices, size) = ([Int](), 1)
            for (index, outgoing) in messages.enumerated() where outgoing.to == to {
                let text = BudgetWire.text(of: outgoing.message, lease: outgoing.lease)
                size += text.count + 1
                // The first one fits: what it is made of is bounded.
                guard indices.isEmpty || size <= Self.bodyLimit else { break }
                texts.append(text)
                indices.append(index)
            }
            let text = String(decoding: Array(texts.joined(separator: Array(",".utf8))), as: UTF8.self)
            return Body(to: to, text: "[\(text)]", indices: indices)
        }
    }

    /// Removes the messages of a body. Others that were added meanwhile stand behind them.
    func remove(_ body: Body) {
        messages.withLock { messages in
            for index in body.indices.reversed() { messages.remove(at: index) }
        }
    }
}

/// Where one budget sends its messages.
struct BudgetLine: BudgetPeers {
    let lease: String
    let outbox: BudgetOutbox

    func send(_ messages: [AddressedBudgetMessage]) { outbox.add(messages, of: lease) }
}
