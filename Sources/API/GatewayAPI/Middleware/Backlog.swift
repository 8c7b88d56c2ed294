import NIOCore
import Synchronization

/// The bytes of a body that were passed to the connection's event loop and not yet handled by it.
///
/// Hummingbird's writer waits only when the event loop has found the socket full. Until the loop runs, which can take long on a
/// busy machine, the writer accepts any amount, and a fast upstream would fill the memory.
final class Backlog: Sendable {
    /// How much may wait besides the last piece.
    static let allowance = 64 << 10

    private let channel: any Channel
    private let handed = Atomic(0)
    private let seen = Atomic(0)

    /// Starts with nothing, for one body on `channel`.
    init(_ channel: any Channel) {
        self.channel = channel
    }

    /// Returns when another piece may be written, after one of `bytes` was.
    func wrote(_ bytes: Int) async throws {
        let total = handed.wrappingAdd(bytes, ordering: .relaxed).newValue
        // If the client has left, the bytes are dropped, and the next write fails.
        guard channel.isActive else { return }
        // The event loop runs its tasks in order: when it runs this one, it has handled the piece.
        channel.eventLoop.execute { self.seen.store(total, ordering: .relaxed) }
        guard total - seen.load(ordering: .relaxed) > Self.allowance + bytes else { return }
        try await channel.eventLoop.submit {}.get()
    }
}
