import Synchronization

/// Tells one observer that there may be new changes: of this process, and of other replicas.
final class ChangeNews: Sendable {
    private let observer = Mutex<(@Sendable () -> Void)?>(nil)

    func observe(_ tell: (@Sendable () -> Void)?) { observer.withLock { $0 = tell } }

    func tell() { observer.withLock(\.self)?() }
}
