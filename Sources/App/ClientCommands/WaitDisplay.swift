import Exports
import GatewayClient
import ProgramSupport
import Synchronization

/// Shows an export that is waited for: one line that is drawn again on a terminal, a line for each change in a pipe.
final class WaitDisplay: Sendable {
    private let terminal: Terminal
    private let time: any TimeSource
    private let began: Duration
    private let latest = Mutex<GatewayExport?>(nil)

    private static let frame: Duration = .seconds(1)

    init(_ terminal: Terminal, time: any TimeSource) {
        self.terminal = terminal
        self.time = time
        began = time.elapsed()
    }

    /// Shows how long it takes, as long as `work` waits.
    func during(_ work: @escaping @Sendable () async throws -> GatewayExport) async throws -> GatewayExport {
        guard terminal.isTerminal else { return try await work() }
        return try await terminal.showing(every: Self.frame, of: time, show, during: work)
    }

    /// The export changed.
    func note(_ export: GatewayExport) {
        let before = latest.withLock { latest in
            defer { latest = export }
            return latest
        }
        if terminal.isTerminal {
            show()
        } else if before.map(Self.line) != Self.line(export) {
            terminal.say(Self.line(export))
        }
    }

    private func show() {
        guard let export = latest.withLock({ $0 }), !export.hasEnded || export.awaitsFiles else { return }
        terminal.draw([Self.line(export) + "  " + Figures.clock(time.elapsed() - began)])
    }

    /// An export in one line.
    static func line(_ export: GatewayExport) -> String {
        var line = "\(export.id) \(export.status)"
        if let percent = export.percentComplete, !export.hasEnded { line += " \(percent)%" }
        if export.awaitsFiles { line += ", its files are not listed yet" }
        if let why = export.error ?? export.notice { line += ": \(why)" }
        return TerminalText.printable(line)
    }
}
