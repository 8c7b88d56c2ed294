import Foundation
import PostgreSQL
import Synchronization
import TestSupport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension TestPostgreSQL {
    /// Starts a server that was stopped or killed, on the same port, and returns when it accepts connections.
    public func start() async throws {
        precondition(process?.isEnded ?? true, "a server that runs already")
        // The children of a server that was killed end a moment later, and it does not start before.
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let words = [ServerPrograms.path(of: "postgres"), "-D", dataDirectory]
            let process = try await ServerProcess.start(words, as: serverUser, log: log)
            state.withLock { $0.process = process }
            try await eventually { process.isEnded || isReady(process) }
            if !process.isEnded { return }
            guard ContinuousClock.now < deadline else { throw TestServerError("The server does not start: \(logText)") }
        }
    }

    /// The server's own file says whether it accepts connections: the number of its process is the first line, its state the eighth.
    private func isReady(_ process: ServerProcess) -> Bool {
        guard let text = try? String(contentsOfFile: dataDirectory + "/postmaster.pid", encoding: .utf8) else {
            return false
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count >= 8 && lines[0] == "\(process.pid)" && lines[7].hasPrefix("ready")
    }

    /// Stops the server as an administrator does: open connections are told, transactions are rolled back. Returns when it has ended.
    public func stop() async {
        process?.signal(SIGINT)
        _ = await process?.ended()
    }

    /// Kills all processes of the server without a warning. Returns when they have ended.
    public func kill() async throws {
        guard let process else { return }
        let children = process.children
        process.signal(SIGKILL)
        ServerProcess.signal(SIGKILL, to: children)
        _ = await process.ended()
        try await eventually { !children.contains(where: ServerProcess.isRunning) }
    }

    /// Stops the server and starts it again.
    public func restart() async throws {
        await stop()
        try await start()
    }

    /// Stops the processes of all sessions where they are (SIGSTOP): the server accepts data, and answers nothing more on open
    /// connections; new connections are not answered either.
    public func suspend() { signalAll(SIGSTOP) }

    /// Lets suspended processes go on.
    public func resume() { signalAll(SIGCONT) }

    private func signalAll(_ number: CInt) {
        guard let process else { return }
        process.signal(number)
        ServerProcess.signal(number, to: process.children)
    }

    /// Stops the server at once, and waits for its end without a task: for the end of the process.
    func stopAtExit() {
        guard let process else { return }
        process.signal(SIGCONT)
        process.signal(SIGQUIT)
        process.waitUntilEnded(within: .seconds(5))
        process.signal(SIGKILL)
    }
}

extension TestPostgreSQL {
    /// Runs blocking work on a thread of its own.
    static func onThread<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try work() }) }.start()
        }
    }
}
