public import ExportLedger
import Foundation
import Synchronization
import TestSupport

extension SQLiteLedger {
    /// A new ledger like the gateway's own, in a file of its own. The file is removed some time after the ledger has gone, at the
    /// latest at the end of the process.
    public static func temporary() throws -> SQLiteLedger {
        let directory = try TemporaryDirectory()
        let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        TemporaryLedgers.all.add(ledger, in: directory)
        return ledger
    }
}

/// The ledgers of this process and their directories.
private final class TemporaryLedgers: Sendable {
    private struct Item {
        weak var ledger: SQLiteLedger?
        var directory: TemporaryDirectory
    }

    static let all = TemporaryLedgers()
    private let items = Mutex<[Item]>([])

    private init() {
        atexit { TemporaryLedgers.all.items.withLock { $0.removeAll() } }
    }

    func add(_ ledger: SQLiteLedger, in directory: TemporaryDirectory) {
        // Outside of the lock: the directories of ledgers that have gone are removed with them.
        let gone = items.withLock { items in
            let gone = items.filter { $0.ledger == nil }
            items.removeAll { $0.ledger == nil }
            items.append(Item(ledger: ledger, directory: directory))
            return gone
        }
        _ = gone
    }
}
