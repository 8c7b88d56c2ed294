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
/// The system releases it when the process ends, however it ends. It uses `flock` and not `fcntl`, because SQLite's own locks are
/// `fcntl` locks, and closing any descriptor would lose those. The file contains a ``LedgerMarker``.
final class LedgerLock: Sendable {
    private let descriptor: CInt
    private let lockPath: String
    private let directory: String

    /// Takes the lock. Throws `StartupError` for `ledger.path` when it is taken, or cannot be made.
    init(beside path: String) throws {
        lockPath = path + ".lock"
        directory = LedgerFiles(path: path).directory
        descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let code = errno
            throw StartupError(
                "ledger.path",
                "\(lockPath) cannot be opened for writing (\(Self.reason(code))). "
                    + (code == ENOSPC || code == EDQUOT
                        ? "Free space on the disk of \(directory), then start again."
                        : "The directory must exist and belong to the user that runs the gateway.")
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
        fchmod(descriptor, 0o600)
    }

    deinit {
        // Unlocked explicitly: a child process that is just being started may have a copy of the descriptor, so closing ours
        // would not release the lock.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// The marker in the file; nil in a new file, in a file of a version without markers, and in a file that was not written
    /// completely.
    var marker: LedgerMarker? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? LedgerMarker(text: String(decoding: bytes.prefix(count), as: UTF8.self)) : nil
    }

    /// Syncs the marker and the directory to the disk. Throws `StartupError` for `ledger.path`.
    func mark(_ marker: LedgerMarker) throws {
        // The text always has the same length, so that writing it replaces the old one completely.
        let bytes = Array(marker.text.utf8)
        guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count, fsync(descriptor) == 0 else {
            throw StartupError(
                "ledger.path",
                "\(lockPath) cannot be written (\(Self.reason(errno))). Is the disk of \(directory) full?"
            )
        }
        let list = open(directory, O_RDONLY | O_CLOEXEC)
        guard list >= 0 else { return }
        fsync(list)
        close(list)
    }

    private static func reason(_ code: CInt) -> String { String(cString: strerror(code)) }
}

/// What the lock file says about the ledger beside it: that it exists, which file it is, and how the last gateway left it.
struct LedgerMarker: Hashable {
    enum State: String, CaseIterable {
        /// A gateway uses it, or used it until it was killed: then there is a `-wal`.
        case open
        /// The gateway was about to close it: the `-wal` is there, or its content is in the file.
        case closing
        /// Closed: everything is in the file.
        case closed
    }

    /// The inode number of the ledger's file: a copy has another.
    var file: UInt64
    var state: State

    private static let name = "export-gateway-ledger"

    init(file: UInt64, state: State) {
        self.file = file
        self.state = state
    }

    init?(text: String) {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, words[0] == Self.name, let file = UInt64(words[1]),
            let state = State(rawValue: String(words[2]))
        else { return nil }
        self.init(file: file, state: state)
    }

    var text: String {
        func padded(_ text: String, to count: Int) -> String {
            text + String(repeating: " ", count: count - text.count)
        }
        return "\(Self.name) \(padded(String(file), to: 20)) \(padded(state.rawValue, to: 7))\n"
    }
}
