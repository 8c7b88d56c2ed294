import Synchronization

/// Whether all of the demo's exports came through; false until told.
final class DemoOutcome: Sendable {
    private let state = Mutex(false)

    var isGood: Bool { state.withLock { $0 } }

    func set(_ isGood: Bool) { state.withLock { $0 = isGood } }
}
