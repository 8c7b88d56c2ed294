import Exports
import Foundation
import GatewayServer
import ProgramSupport
import Synchronization

/// Standard error: messages, and below them lines that are drawn again and again where it is a terminal.
final class Terminal: Sendable {
    /// Whether lines can be drawn again.
    let isTerminal: Bool
    private let descriptor: CInt
    private let drawn = Mutex<[String]>([])

    init(descriptor: CInt) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// How many characters a line may have.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes a message above the drawn lines. What others wrote cannot control the terminal with it.
    func say(_ message: String) {
        drawn.withLock { lines in
            write(
                erase(lines) + TerminalText.printable("export-gateway: " + message, keepingLines: true) + "\n"
                    + text(lines)
            )
        }
    }

    /// Draws lines in place of the ones before; on no terminal, nothing.
    func draw(_ lines: [String]) {
        guard isTerminal else { return }
        let width = width
        let fitting = lines.map { String($0.prefix(max(10, width - 1))) }
        drawn.withLock { former in
            write(erase(former) + text(fitting))
            former = fitting
        }
    }

    /// Calls `show` again and again, as long as `work` lasts, and removes what was drawn then.
    func showing<Value: Sendable>(
        every interval: Duration,
        of time: any TimeSource,
        _ show: @escaping @Sendable () -> Void,
        during work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                while !Task.isCancelled {
                    try await time.sleep(for: interval)
                    show()
                }
                return nil
            }
            defer {
                group.cancelAll()
                draw([])
            }
            guard let value = try await group.next(), let value else { throw CancellationError() }
            return value
        }
    }

    /// Leaves the drawn lines where they are.
    func settle() { drawn.withLock { $0 = [] } }

    private func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

    /// Up to the first of the lines, and nothing below (ECMA-48: CPL, ED).
    private func erase(_ lines: [String]) -> String { lines.isEmpty ? "" : "\u{1B}[\(lines.count)F\u{1B}[J" }

    private func write(_ text: String) { StandardStreams.write(text, to: descriptor) }
}
