import Synchronization
public import UpstreamHTTP

/// Collects the shapes of the answers of one connection. Nothing of their values is kept, not for a moment longer than the call.
public final class AnswerLog: AnswerObserver {
    /// The calls of one kind.
    struct Calls: Sendable {
        /// How often each shape came.
        var shapes: [AnswerShape: Int] = [:]
        /// Answers of further shapes.
        var leftOut = 0
    }

    /// How many shapes of one kind of call are told apart.
    static let mostShapes = 64

    let expectations: [CallExpectations]
    private let calls = Mutex<[String: Calls]>([:])

    /// Makes a log for the calls that the expectations name, each kind once. Calls of other kinds are not collected.
    public init(_ expectations: [CallExpectations]) {
        self.expectations = expectations
    }

    public func received(_ answer: UpstreamResponse, to operation: String) {
        guard let expected = expectations.first(where: { $0.operation == operation }) else { return }
        keep(AnswerShape(answer, expected), of: operation)
    }

    public func opened(status: Int, headers: UpstreamHeaders, of operation: String) {
        guard let expected = expectations.first(where: { $0.operation == operation }) else { return }
        keep(AnswerShape(status: status, headers: headers, expected), of: operation)
    }

    /// The answers to one kind of call so far.
    func answers(to operation: String) -> Calls { calls.withLock { $0[operation] } ?? Calls() }

    private func keep(_ shape: AnswerShape, of operation: String) {
        calls.withLock { calls in
            var kept = calls[operation] ?? Calls()
            if kept.shapes[shape] != nil || kept.shapes.count < Self.mostShapes {
                kept.shapes[shape, default: 0] += 1
            } else {
                kept.leftOut += 1
            }
            calls[operation] = kept
        }
    }
}
