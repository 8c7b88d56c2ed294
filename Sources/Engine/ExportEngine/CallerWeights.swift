import Synchronization

/// How many turns each caller gets for each turn of a caller with weight 1. May change while the engine runs.
final class CallerWeights: Sendable {
    private let weights: Mutex<[String: Int]>

    init(_ weights: [String: Int]) {
        self.weights = Mutex(weights)
    }

    func replace(by weights: [String: Int]) { self.weights.withLock { $0 = weights } }

    /// At least 1, which is the weight of a caller that is not listed.
    func weight(of caller: String) -> Int { max(1, weights.withLock { $0[caller] } ?? 1) }
}
