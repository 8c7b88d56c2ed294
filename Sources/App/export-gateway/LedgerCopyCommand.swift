import ArgumentParser
import Exports
import Foundation
import GatewayServer
import LedgerMaintenance

struct LedgerCopyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copies a ledger into an empty one, and compares both row by row: exit code 0 when they are equal.",
        discussion: """
            No gateway may work on either of them. A copy that was ended, by a signal or a full disk, goes on when the same command is \
            run again; until it is finished, no gateway starts on the target.
            A URI has no password in it: that is in PGPASSWORD, or in ~/.pgpass.
            """
    )

    @Option(help: "The ledger to copy: the path of an SQLite file, or a postgresql:// URI.")
    var from: String
    @Option(help: "The ledger to make: the path of an SQLite file, or the postgresql:// URI of an empty database.")
    var to: String

    func run() async throws {
        let began = ContinuousClock.now
        let comparisons = try await Ledger.naming {
            let (source, target) = (LedgerPlace(from), LedgerPlace(to))
            Ledger.sortOnTheDisk(of: target)
            let random = Randomness { .random(in: .min ... .max) }
            var shown = ContinuousClock.now
            return try await LedgerCopy.run(from: source, to: target, random: random) { step in
                guard ContinuousClock.now - shown > .seconds(2) || step == .completing else { return }
                shown = .now
                StandardStreams.write("\(step)\n", to: STDERR_FILENO)
            }
        }
        for comparison in comparisons { print(comparison) }
        let rows = comparisons.map(\.rows).reduce(0, +)
        let seconds = (ContinuousClock.now - began)
            .formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))
        print("equal: \(rows) rows of \(comparisons.count) tables, in \(seconds)")
    }
}
