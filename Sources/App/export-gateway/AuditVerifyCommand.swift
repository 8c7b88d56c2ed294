import ArgumentParser
import Audit
import Exports
import Foundation
import GatewayServer
import LedgerMaintenance

struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Checks whether an audit trail is whole: exit code 0 when nothing is wrong, else 1.",
        discussion: """
            Checks the chain of a ledger, while a gateway may work on it, or with --rows a piece of it that was read from GET /audit as \
            NDJSON. Without --heads, rows that are missing at the end cannot be missed. Exit code 78: what was named cannot be used.
            """
    )

    @Argument(help: "The ledger: the path of an SQLite file, or a postgresql:// URI. Not with --rows.")
    var ledger: String?
    @Option(
        help: ArgumentHelp(
            "A key with which rows were sealed, as env:NAME or file:/path. May be given several times.",
            valueName: "reference"
        )
    )
    var key: [String]
    @Option(
        help: ArgumentHelp(
            "A file with heads, such as that of audit.heads.file, a JSON object in each line. May be given several times.",
            valueName: "file"
        )
    )
    var heads: [String] = []
    @Option(help: ArgumentHelp("A file with a piece of the chain, a row in each line.", valueName: "file"))
    var rows: String?

    func validate() throws {
        if (ledger == nil) == (rows == nil) { throw ValidationError("name a ledger, or a file with --rows") }
        if key.isEmpty { throw ValidationError("--key is needed: without a key, everybody could make the chain") }
    }

    func run() async throws {
        let isGood = try await Ledger.naming { () -> Bool in
            try OpenSSLCheck.run()
            let keys = try AuditKeyReferences.keys(key, environment: ProcessInfo.processInfo.environment)
            let files = try self.heads.map { try HeadLines($0) }
            let heads = files.flatMap(\.heads)
            let isWhole: Bool
            if let rows {
                isWhole = try Self.show(Self.verify(rows, keys, heads))
            } else {
                let report = try LedgerPlace(ledger ?? "").verifyAudit(keys: keys, heads: heads)
                isWhole = Self.show(report.verification, unsealed: report.unsealed, kept: report.rejected)
            }
            for file in files where file.others > 0 {
                print("     heads: \(file.others) lines of \(file.path) are no heads")
            }
            return isWhole
        }
        if !isGood { throw ExitCode.failure }
    }

    private static func verify(_ path: String, _ keys: AuditKeys, _ heads: [AuditHead]) throws -> AuditVerification {
        var (verification, number) = (AuditVerification(.piece, keys: keys, heads: heads), 0)
        try LineFile(path, option: "--rows")
            .readLines { line in
                number += 1
                if let row = AuditRow(line: line) {
                    verification.check(row)
                } else if let sequence = AuditRow.sequence(unreadable: line) {
                    verification.unreadable(sequence, "the gateway could not read it")
                } else {
                    verification.unreadable(nil, "line \(number) is no row as GET /audit writes it")
                }
            }
        verification.finish()
        return verification
    }

    /// Prints what was found. Returns whether nothing is wrong.
    private static func show(_ verification: AuditVerification, unsealed: Int64 = 0, kept: Int64 = 0) -> Bool {
        for finding in verification.findings { print("FAIL \(finding)") }
        let more = verification.count - verification.findings.count
        if more > 0 { print("FAIL … and \(more) more") }
        let range =
            if let first = verification.first, let last = verification.last {
                "\(verification.rows) rows, \(first.sequence) to \(last.sequence)"
            } else {
                "\(verification.rows) rows"
            }
        print("\(verification.isGood ? "ok  " : "FAIL") chain: \(range); \(verification.headsSeen) heads compared")
        if let last = verification.last { print("     head: \(last.sequence) \(last.codeText) (key \(last.keyID))") }
        if verification.rejected > 0 {
            print(
                "     rejected: the gateway has refused to seal \(verification.rejected) entries that it had not made"
            )
        }
        if kept > 0 { print("     kept: \(kept) of such entries are in the table audit_rejected") }
        if unsealed > 0 { print("     unsealed: \(unsealed) entries, which nothing protects yet") }
        return verification.isGood
    }
}

/// What is in a file with heads.
private struct HeadLines {
    let path: String
    private(set) var heads: [AuditHead] = []
    /// How many lines are no heads: most of a log, and in a file of heads those that could not be written whole.
    private(set) var others = 0

    init(_ path: String) throws(StartupError) {
        self.path = path
        var (heads, others) = ([AuditHead](), 0)
        try LineFile(path, option: "--heads")
            .readLines { line in
                if let head = AuditHead(line: line) { heads.append(head) } else { others += 1 }
            }
        guard !heads.isEmpty else { throw StartupError("--heads", "\(path) has no line with a head") }
        (self.heads, self.others) = (heads, others)
    }
}

/// A file that is read line by line, however long it is.
private struct LineFile {
    private static let part = 1 << 20
    /// A row is shorter.
    private static let longestLine = 1 << 16

    private let handle: FileHandle
    private let path: String
    private let option: String

    init(_ path: String, option: String) throws(StartupError) {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw StartupError(option, "the file \(path) cannot be read")
        }
        (self.handle, self.path, self.option) = (handle, path, option)
    }

    /// Calls `body` with each line that is not empty, without its end.
    func readLines(_ body: ([UInt8]) -> Void) throws(StartupError) {
        var rest: [UInt8] = []
        while true {
            let part: Data
            do {
                part = try handle.read(upToCount: Self.part) ?? Data()
            } catch {
                throw StartupError(option, "the file \(path) cannot be read")
            }
            guard !part.isEmpty else { break }
            rest += part
            let lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for line in lines.dropLast() where !line.isEmpty { body(Array(line)) }
            rest = Array(lines.last ?? [])
            guard rest.count <= Self.longestLine else {
                throw StartupError(option, "the file \(path) has a line of more than \(Self.longestLine) bytes")
            }
        }
        if !rest.isEmpty { body(rest) }
    }
}
