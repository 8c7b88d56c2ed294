import Exports
import GatewayClient
import Synchronization

/// Shows downloads: bars on a terminal, plain lines in a pipe.
final class DownloadDisplay: Sendable {
    private let terminal: Terminal
    private let time: any TimeSource
    private let rows = Mutex<[(id: String, row: DownloadRow)]>([])

    /// Bars are drawn so often.
    private static let frame: Duration = .milliseconds(200)
    /// In a pipe, each download that is under way has a line so often.
    private static let report: Duration = .seconds(10)

    init(_ terminal: Terminal, time: any TimeSource) {
        self.terminal = terminal
        self.time = time
    }

    /// Shows what `work` downloads, as long as it does.
    func during<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await terminal.showing(every: terminal.isTerminal ? Self.frame : Self.report, of: time, show, during: work)
    }

    /// Something happened to a download.
    func note(_ file: GatewayFile, _ event: DownloadEvent) {
        switch event {
        case .began(let offset, let total):
            rows.withLock { $0.append((file.id, DownloadRow(name: file.name, from: offset, total: total))) }
            if offset > 0 { terminal.say("\(file.name): going on at byte \(offset)") }
        case .reached(let bytes, let total): change(file) { $0.reach(bytes, of: total) }
        case .broke(let reason, let offset, let pause):
            change(file) { $0.wait(at: offset) }
            terminal.say("\(reason) Trying again in \(Figures.duration(pause)), from byte \(offset).")
        case .completed(let done):
            rows.withLock { $0.removeAll { $0.id == file.id } }
            let how =
                switch done.check {
                case .digest: "SHA-256 verified"
                case .delivery: "SHA-256 verified by the gateway's record"
                case .validator: "length verified, no digest is known"
                case .none: "not verified"
                }
            terminal.say(
                "\(done.path): \(Figures.bytes(done.bytes)), \(done.fetched == 0 ? "was there already, " : "")\(how)"
            )
        }
    }

    private func change(_ file: GatewayFile, _ change: (inout DownloadRow) -> Void) {
        rows.withLock { rows in
            guard let index = rows.firstIndex(where: { $0.id == file.id }) else { return }
            change(&rows[index].row)
        }
    }

    private func show() {
        let (now, width, isTerminal) = (time.elapsed(), terminal.width, terminal.isTerminal)
        let lines = rows.withLock { rows in
            for index in rows.indices { rows[index].row.tick(at: now) }
            return rows.map { isTerminal ? $0.row.line(width: width) : $0.row.plain }
        }
        if isTerminal {
            terminal.draw(lines)
        } else {
            for line in lines { terminal.say(line) }
        }
    }
}
