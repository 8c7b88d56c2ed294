import ArgumentParser
import LedgerMaintenance

struct LedgerBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Backs up a ledger in SQLite, also while a gateway works on it.",
        discussion: """
            The backup has the state that the ledger has when the command begins. SQLite checks it before it gets its name: FILE is a \
            whole backup, or what it was before.
            """
    )

    @Argument(help: "The ledger: the path of an SQLite file.")
    var ledger: String
    @Option(help: ArgumentHelp("The file to write. A backup that is there is replaced.", valueName: "file"))
    var to: String

    func validate() throws {
        guard case .database = LedgerPlace(ledger) else { return }
        throw ValidationError(
            """
            a ledger in PostgreSQL is backed up with its own programs, also while gateways work on it:
              pg_dump --format=custom --file=FILE --dbname=URI
            and restored into an empty database, while no gateway works on it:
              pg_restore --exit-on-error --no-owner --single-transaction --dbname=URI FILE
            """
        )
    }

    func run() async throws {
        let bytes = try await Ledger.naming { try LedgerBackup.run(of: ledger, to: to) }
        print("\(to): \(bytes) bytes, whole")
    }
}
