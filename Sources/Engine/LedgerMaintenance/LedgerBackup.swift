import ExportLedger
import Exports
import GRDB

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Backs up a ledger in SQLite, also while a gateway works on it.
public enum LedgerBackup {
    /// Writes the state that the ledger has now to `target`, and returns the number of bytes.
    ///
    /// The file is written beside the target, with the suffix `.incomplete` and the mode 0600. SQLite checks it, it is forced to the
    /// disk, and then renamed: `target` is a whole backup, or what it was before. A gateway goes on meanwhile. Its write-ahead log
    /// cannot become shorter until the backup is made.
    ///
    /// Throws `StartupError` for `ledger` and for `--to`, and ``MaintenanceError``.
    public static func run(of path: String, to target: String) throws -> UInt64 {
        try refuse(target, asTargetOf: path)
        let incomplete = target + ".incomplete"
        let descriptor = try reserve(incomplete)
        defer { close(descriptor) }
        do {
            try SQLiteInspection.open(path) { source in
                try SQLiteLedger.refuseOtherSchema(source)
                try copy(source, to: incomplete)
            }
            guard fsync(descriptor) == 0, rename(incomplete, target) == 0 else {
                throw MaintenanceError("\(target): \(String(cString: strerror(errno)))")
            }
            sync(LedgerFiles(path: target).directory)
        } catch {
            for file in [incomplete, incomplete + "-wal", incomplete + "-shm"] { unlink(file) }
            throw error
        }
        var status = stat()
        fstat(descriptor, &status)
        return UInt64(status.st_size)
    }

    /// A file that a gateway uses as its ledger must not be replaced.
    private static func refuse(_ target: String, asTargetOf path: String) throws {
        let files = LedgerFiles(path: target)
        if let number = files.number, number == LedgerFiles(path: path).number {
            throw StartupError("--to", "\(target) is the ledger itself.")
        }
        if files.hasLog || LedgerFiles(path: target + ".lock").number != nil {
            throw StartupError(
                "--to",
                "\(target) is the ledger of a gateway: a -wal or a .lock is beside it. Name another file."
            )
        }
    }

    /// Makes the file, or takes the one that a backup left which was cut off.
    private static func reserve(_ path: String) throws -> CInt {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw StartupError("--to", "\(path) cannot be made: \(String(cString: strerror(errno))).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw StartupError("--to", "Another backup to the same file is under way.")
        }
        guard fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw StartupError("--to", "\(path) cannot be written: \(reason).")
        }
        return descriptor
    }

    private static func copy(_ source: Database, to path: String) throws {
        try SQLiteSchema.naming(path) {
            let target = try DatabaseQueue(path: path)
            // It is forced to the disk once, when it is whole. With an exclusive lock, SQLite needs no file of shared memory.
            try target.inDatabase { database in
                try database.execute(
                    sql: "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF"
                )
                // All pages in one step: they are those of one state, and a gateway that writes cannot make it begin again.
                try source.backup(to: database)
            }
            let findings = try target.inDatabase { database in
                try SQLiteInspection.integrity(of: database)
                    + (try Row.fetchOne(database, sql: "PRAGMA foreign_key_check") == nil
                        ? [] : [LedgerFinding(subject: "file", isGood: false, detail: "foreign keys are violated")])
            }
            try target.close()
            if let finding = findings.first(where: { !$0.isGood }) {
                throw MaintenanceError(
                    "the backup is not whole: \(finding.subject): \(finding.detail). Check the ledger."
                )
            }
        }
        guard !LedgerFiles(path: path).hasLog else {
            throw MaintenanceError("\(path)-wal: something was not moved into the file")
        }
    }

    private static func sync(_ directory: String) {
        let list = open(directory, O_RDONLY | O_CLOEXEC)
        guard list >= 0 else { return }
        fsync(list)
        close(list)
    }
}
