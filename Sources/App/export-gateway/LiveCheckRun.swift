import ArgumentParser
import Foundation
import GatewayServer
import JSON
import LiveCheck
import ProgramSupport
import UnixSignals

/// Runs `check --live`: asks, makes the exports, writes the report. `Live-Check, Exit codes` explains how it ends.
struct LiveCheckRun {
    let options: LiveCheckOptions

    private static let differs = ExitCode(1)
    private static let incomplete = ExitCode(2)

    private enum Event: Sendable {
        case report(LiveReport)
        case signal(UnixSignal)
        case idle
    }

    func run(_ configuration: GatewayConfiguration) async throws {
        let requests = try options.requests()
        let check: LiveConnectionCheck
        do {
            check = try await LiveConnectionCheck.prepare(configuration, requests, options: try options.options())
        } catch let mistake as LiveConnectionCheck.Mistake {
            throw ValidationError("\(mistake)")
        }
        let outcome: Result<(LiveReport, UnixSignal?), any Error>
        do {
            outcome = .success(try await confirmed(check))
        } catch {
            outcome = .failure(error)
        }
        try await check.shutdown()
        let (report, signal) = try outcome.get()
        let text = options.output == .json ? String(decoding: report.json.encodedBytes(), as: UTF8.self) : report.text
        guard StandardStreams.write(text + "\n", to: STDOUT_FILENO) else { throw ExitCode.failure }
        if signal == .sigint { throw ExitCode(130) }
        if signal == .sigterm { throw ExitCode(143) }
        if report.differs { throw Self.differs }
        if !report.isComplete { throw Self.incomplete }
    }

    private func confirmed(_ check: LiveConnectionCheck) async throws -> (LiveReport, UnixSignal?) {
        for line in check.announcement { Self.say(line) }
        if !options.yes {
            guard isatty(STDIN_FILENO) == 1 else {
                throw ValidationError("nobody can be asked on standard input: --yes starts without asking")
            }
            StandardStreams.write("Start? [y/N] ", to: STDERR_FILENO)
            guard ["y", "yes"].contains(readLine()?.lowercased()) else {
                throw ValidationError("nothing was started")
            }
        }
        return await interruptible(check)
    }

    /// A signal cancels the check, which then ends with what it has.
    private func interruptible(_ check: LiveConnectionCheck) async -> (LiveReport, UnixSignal?) {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return await withTaskGroup(of: Event.self) { group in
            group.addTask { .report(await check.run(say: Self.say)) }
            group.addTask {
                for await signal in signals { return .signal(signal) }
                return .idle
            }
            var report = LiveReport(exports: [])
            var ended: UnixSignal?
            for await event in group {
                switch event {
                case .report(let whole): report = whole
                case .signal(let signal):
                    ended = signal
                    Self.say("Stopping.")
                case .idle: continue
                }
                group.cancelAll()
            }
            return (report, ended)
        }
    }

    @Sendable private static func say(_ text: String) {
        StandardStreams.write("export-gateway: \(TerminalText.printable(text))\n", to: STDERR_FILENO)
    }
}
