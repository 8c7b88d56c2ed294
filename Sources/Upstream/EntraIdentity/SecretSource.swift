public import Exports
import Synchronization

/// A secret by which the gateway signs in, and which its owner may replace while the gateway runs.
public final class SecretSource: Sendable {
    private let read: @Sendable () -> Secret?
    private let last: Mutex<Secret>

    /// Makes a source that gives `secret` until `read` gives another. `read` may block as long as a small file takes; nil
    /// leaves the secret as it was, for a file that is gone or just being written.
    public init(_ secret: Secret, read: @escaping @Sendable () -> Secret? = { nil }) {
        self.read = read
        last = Mutex(secret)
    }

    /// The secret as it is now.
    public func current() -> Secret {
        let new = read()
        return last.withLock { last in
            last = new ?? last
            return last
        }
    }
}
