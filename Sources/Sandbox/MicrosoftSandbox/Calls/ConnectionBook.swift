import NIOCore
import Synchronization

/// How many calls each open connection has had.
final class ConnectionBook: Sendable {
    private let counts = Mutex<[ObjectIdentifier: Int]>([:])

    /// Counts a call, and tells whether its connection had one before.
    func noteCall(on channel: any Channel) -> SandboxConnection {
        let id = ObjectIdentifier(channel)
        let calls = counts.withLock { counts in
            counts[id, default: 0] += 1
            return counts[id] ?? 1
        }
        if calls > 1 { return .reused }
        channel.closeFuture.whenComplete { [self] _ in counts.withLock { $0[id] = nil } }
        return .fresh
    }
}
