import ArgumentParser
import LedgerMaintenance

struct LedgerCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks whether a ledger is whole: exit code 0 when nothing is wrong, else 1.",
        discussion: """
            Reads every row of every table as the gateway would, and compares the tables with each other. Changes nothing. A gateway \
            may work on the ledger meanwhile: one state of it is checked.
            """
    )

    @Argument(help: "The ledger: the path of an SQLite file, or a postgresql:// URI.")
    var ledger: String

    func run() async throws {
        Ledger.sortOnTheDisk(of: LedgerPlace(ledger))
        let findings = try await Ledger.naming { try LedgerPlace(ledger).check() }
        for finding in findings { print(finding) }
        if findings.contains(where: { !$0.isGood }) { throw ExitCode.failure }
    }
}
