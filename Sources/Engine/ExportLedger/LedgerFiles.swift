import Exports

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The ledger's file and the files that SQLite keeps beside it, as the file system shows them.
package struct LedgerFiles: Sendable, Hashable {
    let path: String

    package init(path: String) {
        self.path = path
    }

    /// Identifies the files: the numbers stay the same unless one is removed or replaced.
    struct Identity: Sendable, Hashable {
        var ledger: UInt64
        var log: UInt64
    }

    private var logPath: String { path + "-wal" }

    /// The directory that the files are in.
    package var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Nil where one of the two is missing.
    var identity: Identity? {
        guard let ledger = Self.status(path), let log = Self.status(logPath) else { return nil }
        return Identity(ledger: UInt64(ledger.st_ino), log: UInt64(log.st_ino))
    }

    /// The number of the ledger's file; nil where there is none.
    package var number: UInt64? { Self.status(path).map { UInt64($0.st_ino) } }

    /// Whether so little space is left that a full disk is the cause of a failure.
    package var isDiskFull: Bool {
        var space = statvfs()
        guard statvfs(directory, &space) == 0 else { return false }
        return UInt64(space.f_bavail) * UInt64(space.f_frsize) < 256 << 10
    }

    /// Whether there is a write-ahead log with something in it.
    package var hasLog: Bool { (Self.status(logPath)?.st_size ?? 0) > 0 }

    /// The length of the write-ahead log.
    var logBytes: Int64 { Int64(Self.status(logPath)?.st_size ?? 0) }

    /// Refuses a ledger with a missing part. Must be called before SQLite opens it: a `-wal` beside an empty file is deleted
    /// by SQLite, and the exports with it. Throws `StartupError` for `ledger.path`.
    func refuseRemains(_ marker: LedgerMarker?) throws {
        guard let ledger = Self.status(path), ledger.st_size > 0 else {
            guard hasLog || marker != nil else { return }
            let what = Self.status(path) == nil ? "is missing" : "is empty"
            throw StartupError(
                "ledger.path",
                hasLog
                    ? "\(path) \(what), but \(logPath) beside it holds what was written last: starting now would destroy it. "
                        + "Put the ledger's file back, or restore both from a backup. To begin with an empty ledger, move "
                        + "\(logPath) and \(path).lock away."
                    : "\(path) \(what), but \(path).lock says that there was a ledger, whose exports would be lost. "
                        + "Put the file back, or restore it from a backup. To begin with an empty ledger, remove \(path).lock."
            )
        }
        guard !hasLog, let marker, marker.state == .open, marker.file == UInt64(ledger.st_ino) else { return }
        throw StartupError(
            "ledger.path",
            "\(logPath) is missing, and the last gateway on this ledger had no chance to close it: what was written last may "
                + "be lost. Put that file back, or restore the ledger from a backup. If another program, such as sqlite3, "
                + "has closed the ledger since, or \(path) is a backup, nothing is missing: remove \(path).lock and start "
                + "again."
        )
    }

    /// Creates the ledger's file if there is none, accessible to its user only. SQLite gives the other files the same mode.
    func create() {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        // The umask may have removed these permissions.
        fchmod(descriptor, 0o600)
        close(descriptor)
    }

    /// Removes the access of other users to the files.
    func makePrivate() {
        for path in [path, logPath, path + "-shm"] {
            if let status = Self.status(path), status.st_mode & 0o777 != 0o600 { chmod(path, 0o600) }
        }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }
}
