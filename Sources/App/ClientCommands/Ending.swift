import ArgumentParser
import GatewayClient

/// How a command ends: its exit code. `Command-Line, Exit codes` explains each.
enum Ending: Int32, CaseIterable, Sendable {
    case done = 0
    case failure = 1
    case exportFailed = 10
    case exportCanceled = 11
    case exportExpired = 12
    case exportUnknown = 13
    case exportIncomplete = 14
    case exportEmpty = 15
    case notFound = 20
    case unauthenticated = 21
    case forbidden = 22
    case invalid = 23
    case conflict = 24
    case busy = 25
    case upstreamFailed = 26
    case fileIncomplete = 30
    case fileWrong = 31
    case fileUnverified = 32
    case fileSystem = 33
    case unreachable = 40
    case untrusted = 41
    case timedOut = 42
    case noGateway = 43
    case usage = 64
    case interrupted = 130
    case terminated = 143

    /// What an export's end means to whoever waited for it.
    init(of export: GatewayExport) {
        self =
            switch export.status {
            case "succeeded": .done
            case "partiallySucceeded": .exportIncomplete
            case "failed": .exportFailed
            case "canceled": .exportCanceled
            case "expired": .exportExpired
            case "unknown": .exportUnknown
            default: export.error == nil ? .done : .exportFailed
            }
    }

    /// Why an export that has succeeded gives no files to whoever wants them; nil where it does.
    static func withoutFiles(_ export: GatewayExport) -> (ending: Ending, text: String)? {
        if let destination = export.destination {
            return (.conflict, "The files went to \(destination): they cannot be downloaded here.")
        }
        if export.awaitsFiles {
            return (.conflict, "\(WaitDisplay.line(export)). --wait waits for its files.")
        }
        return export.files.isEmpty ? (.exportEmpty, "The export ended without files.") : nil
    }

    /// What an error means.
    init(of error: GatewayClientError) {
        self =
            switch error {
            case .unreachable: .unreachable
            case .untrusted: .untrusted
            case .silent: .timedOut
            case .unexpectedAnswer: .noGateway
            case .fileIncomplete: .fileIncomplete
            case .fileWrong: .fileWrong
            case .fileUnverified: .fileUnverified
            case .fileSystem: .fileSystem
            case .refused(let problem): Ending(of: problem)
            }
    }

    /// What a refusal means.
    init(of problem: GatewayProblem) {
        self =
            switch (problem.status, problem.code) {
            case (401, _): .unauthenticated
            case (403, _): .forbidden
            case (404, _) where problem.code != nil: .notFound
            case (410, "export-purged"): .notFound
            case (410, _): .exportExpired
            case (502...504, nil): .unreachable
            case (408, _), (429, _): .busy
            case (_, nil): .noGateway
            case (400, _), (405, _), (406, _), (411..<416, _), (417, _), (422, _), (426, _), (431, _): .invalid
            case (409, _), (416, _): .conflict
            case (503, _): .busy
            case (502, _), (504, _): .upstreamFailed
            default: .failure
            }
    }

    /// Ends the command: with this code, or quietly where all is well.
    func end() throws { if self != .done { throw ExitCode(rawValue) } }
}
