import ArgumentParser
import Foundation
import LedgerMaintenance
import ProgramSupport
import GatewayServer

/// What an operator does with a ledger while the gateway does not do it.
struct Ledger: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies, checks and backs up ledgers.",
        subcommands: [LedgerCopyCommand.self, LedgerCheckCommand.self, LedgerBackupCommand.self]
    )

    /// Runs `work`; an operator's mistake ends it with exit code 78, and a ledger that fails with 1.
    static func naming<Result>(_ work: () async throws -> Result) async throws -> Result {
        do {
            return try await ExportGateway.program.naming(work)
        } catch let error as MaintenanceError {
            StandardStreams.report("export-gateway: \(error)\n")
            throw ExitCode.failure
        }
    }

    /// SQLite sorts in temporary files, which may be as large as the indexes of the ledger. Unless the environment names another place,
    /// they are where the ledger is: elsewhere there may be less space, and in the image nothing else can be written.
    static func sortOnTheDisk(of place: LedgerPlace) {
        guard case .file(let path) = place, getenv("TMPDIR") == nil else { return }
        setenv("SQLITE_TMPDIR", URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false), 0)
    }
}
