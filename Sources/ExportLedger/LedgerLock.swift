import Exports

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The right to work on a ledger file: an exclusive lock on the file beside it, held as long as this object lives.
///
/// The system lets go of it when the process ends, however it ends. `flock` rather than `fcntl`, because SQLite's own
/// locks are of the latter kind, and closing any descriptor would lose those.
final class LedgerLock: Sendable {
    private let descriptor: CInt

    /// Takes the lock. Throws `StartupError` for `ledger.path` when it is taken, or cannot be made.
    init(beside path: String) throws {
        let lockPath = path + ".lock"
        descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StartupError(
                "ledger.path",
                "\(lockPath) cannot be opened for writing (\(Self.reason(errno))). "
                    + "The directory must exist and belong to the user that runs the gateway."
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw StartupError(
                "ledger.path",
                code == EWOULDBLOCK
                    ? "Another gateway works on \(path). Give each gateway a ledger of its own, or end the other."
                    : "\(lockPath) cannot be locked (\(Self.reason(code))). The ledger must lie on a local disk."
            )
        }
    }

    deinit {
        // Let go of by name: a process that is being started just now has the descriptor too, until it is another program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func reason(_ code: CInt) -> String { String(cString: strerror(code)) }
}
