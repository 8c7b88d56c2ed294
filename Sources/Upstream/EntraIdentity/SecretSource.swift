public import Exports
import Synchronization

/// A secret by which the gateway signs in. It may be replaced while the gateway runs.
public final class SecretSource: Sendable {
    private let read: @Sendable () -> Secret?
    private let last: Mutex<Secret>

    /// Makes a source that returns `secret` until `read` returns another. `read` may block for as long as it takes to read a small file.
    /// When it returns nil, because the file is missing or just being written, the former secret stays.
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
