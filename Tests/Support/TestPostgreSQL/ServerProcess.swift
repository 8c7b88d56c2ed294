import CSpawn
import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program of PostgreSQL that runs as an unprivileged user, and is killed when this process ends for whatever reason.
final class ServerProcess: Sendable {
    private struct State {
        var status: CInt?
        var waiting: [CheckedContinuation<CInt, Never>] = []
    }

    let pid: pid_t
    private let state: Mutex<State>

    /// Starts a program. Its output is appended to the file `log`.
    static func start(_ words: [String], as user: ServerUser, log: String) async throws -> ServerProcess {
        try await withCheckedThrowingContinuation { continuation in
            // The system kills the program with the thread that started it, not with the process: the thread waits for its end.
            let thread = Thread {
                do {
                    let process = ServerProcess(try spawn(user.wrapping(words), log: log))
                    continuation.resume(returning: process)
                    process.waitForEnd()
                } catch {
                    continuation.resume(throwing: error)
                }
            }
            thread.start()
        }
    }

    private init(_ pid: pid_t) {
        self.pid = pid
        state = Mutex(State())
    }

    /// Whether it has ended.
    var isEnded: Bool { state.withLock { $0.status != nil } }

    /// Sends a signal, unless it has ended.
    func signal(_ number: CInt) {
        state.withLock { if $0.status == nil { _ = kill(pid, number) } }
    }

    /// The processes that it has started, as long as it runs.
    var children: [pid_t] {
        let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { pid_t($0) }
    }

    /// Sends a signal to processes.
    static func signal(_ number: CInt, to processes: [pid_t]) { for process in processes { _ = kill(process, number) } }

    /// Whether a process of anybody's runs. One that nobody has waited for yet does not.
    static func isRunning(_ process: pid_t) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
        // The state follows the name, which is in parentheses.
        return text.split(separator: ") ").last?.first != "Z"
    }

    /// Its exit status, or minus the signal that ended it.
    func ended() async -> CInt {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state in
                if state.status == nil { state.waiting.append(continuation) }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// Waits for its end, on the calling thread.
    func waitUntilEnded(within limit: Duration) {
        let deadline = ContinuousClock.now + limit
        while !isEnded, ContinuousClock.now < deadline { usleep(1000) }
    }

    private func waitForEnd() {
        var status: CInt = 0
        // Left as it is until the state is set: a signal must not go to another process with the same number.
        var information = siginfo_t()
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let waiting = state.withLock { state in
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            state.status = status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: state.withLock { $0.status } ?? -1) }
    }

    private static func spawn(_ words: [String], log: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A server that inherited a socket would keep it open: whoever waits for its end would wait for the server's.
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: keys pressed at a terminal do not stop it before the tests.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var arguments = words.map { strdup($0) } + [nil]
        let variables: [String] = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &environment)
        guard status == 0 else { throw TestServerError("\(words[0]): \(String(cString: strerror(status)))") }
        return pid
    }
}

/// Why a server could not be started.
public struct TestServerError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
