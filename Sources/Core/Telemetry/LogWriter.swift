import Dispatch
import Foundation
import Metrics
import Synchronization

/// Writes log lines to a file descriptor from a thread of its own. Code that logs never waits and never fails.
///
/// Lines below `notice` are written together: a line waits for others for at most ``gathering``, and not at all if nothing was
/// written for that long. All other lines are written at once, with the lines before them.
///
/// Lines wait in memory, at most `capacity` bytes of them. Lines are dropped when they do not fit, because the other end is not
/// read fast enough, and when the system does not accept them: a full disk, a pipe without a reader, a closed descriptor. Dropped
/// lines are counted. As soon as lines can be written again, one line says how many were lost.
public final class LogWriter: Sendable {
    /// Why a line was lost; the raw value is the metric's `reason`.
    public enum Loss: String, Sendable, CaseIterable {
        /// Too many lines waited already.
        case bufferFull = "buffer-full"
        /// The system refused the line.
        case writeFailed = "write-failed"
    }

    fileprivate struct State {
        /// Whole lines, oldest first.
        var waiting: [[UInt8]] = []
        /// The bytes of these, and of those that the thread has taken and not written yet.
        var bytes = 0
        /// Whether the thread has to write the waiting lines at once.
        var isUrgent = false
        var isClosed = false
        var lost: [Loss: Int] = [:]
        var counters: [Loss: Counter] = [:]
        /// The lost lines that no line has reported yet.
        var untold = 0
    }

    /// POSIX's least `PIPE_BUF` on Linux: a pipe that `poll` calls writable takes so many bytes without blocking (`pipe(7)`).
    private static let pieceSize = 4096

    /// The longest that a line below `notice` waits for others to be written with it.
    public static let gathering = DispatchTimeInterval.milliseconds(10)
    /// As soon as this many bytes wait, those that are being written included, they are written at once.
    private static let gatheredBytes = 32 << 10

    private let descriptor: CInt
    private let capacity: Int
    private let notice: @Sendable (_ lost: Int) -> String
    private let state = Mutex(State())
    private let work = DispatchSemaphore(value: 0)
    private let urgency = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the thread. It runs until ``close(within:)`` is called, else until the process ends.
    ///
    /// - Parameters:
    ///   - descriptor: Where the lines go. It is not closed, and its flags are not changed, because other processes may
    ///     share it.
    ///   - capacity: The most bytes that wait.
    ///   - notice: The line that says how many lines were lost, with its line end.
    public init(descriptor: CInt, capacity: Int, notice: @escaping @Sendable (_ lost: Int) -> String) {
        self.descriptor = descriptor
        self.capacity = capacity
        self.notice = notice
        let thread = Thread { self.run() }
        thread.name = "log"
        thread.start()
    }

    /// What loggers write to.
    public var sink: LogSink {
        LogSink { self.add($0, isUrgent: $1) }
    }

    /// How many lines were lost, by reason.
    public var lost: [Loss: Int] { state.withLock { $0.lost } }

    /// From now on counts lost lines in `factory` too; those that were lost before are added at once.
    public func count(in factory: any MetricsFactory) {
        state.withLock { state in
            for loss in Loss.allCases {
                let counter = Counter(
                    label: "export_gateway_log_lines_dropped_total",
                    dimensions: [("reason", loss.rawValue)],
                    factory: factory
                )
                counter.increment(by: state.lost[loss] ?? 0)
                state.counters[loss] = counter
            }
        }
    }

    /// Takes no more lines, and returns when those that wait are written, but no later than after `limit`: a reader that
    /// does not read must not keep the process from ending.
    public func close(within limit: Duration) {
        let isNews = state.withLock { state in
            state.isClosed = true
            return state.becameUrgent()
        }
        work.signal()
        if isNews { urgency.signal() }
        let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
        _ = ended.wait(timeout: .now() + .milliseconds(Int(milliseconds)))
    }

    private func add(_ line: [UInt8], isUrgent: Bool) {
        let (isFirst, isNews) = state.withLock { state in
            guard !state.isClosed, state.bytes + line.count <= capacity else {
                state.lose(1, .bufferFull)
                return (false, false)
            }
            state.bytes += line.count
            state.waiting.append(line)
            let isNews = (isUrgent || state.bytes >= Self.gatheredBytes) && state.becameUrgent()
            return (state.waiting.count == 1, isNews)
        }
        if isFirst { work.signal() }
        if isNews { urgency.signal() }
    }

    // MARK: The thread

    private func run() {
        var isMidLine = false
        var nextWrite = DispatchTime.now()
        while true {
            work.wait()
            let isEarly = urgency.wait(timeout: nextWrite) == .success
            let (lines, isClosed, isUrgent) = state.withLock { state in
                defer { (state.waiting, state.isUrgent) = ([], false) }
                return (state.waiting, state.isClosed, state.isUrgent)
            }
            // The lines became urgent after the wait had ended by time. Take that signal now, or it would end the next wait at once.
            if isUrgent, !isEarly { urgency.wait() }
            var next = 0
            while next < lines.count { write(lines, &next, &isMidLine) }
            nextWrite = .now() + Self.gathering
            if isClosed { break }
        }
        ended.signal()
    }

    /// Writes the next few lines together, or one long line alone. Lines that cannot be written are lost; the next call goes on with
    /// the lines after them.
    private func write(_ lines: [[UInt8]], _ next: inout Int, _ isMidLine: inout Bool) {
        var piece: [UInt8] = isMidLine ? [UInt8(ascii: "\n")] : []
        let told = state.withLock { $0.untold }
        if told > 0 { piece += notice(told).utf8 }
        let head = piece.count
        let first = next
        repeat {
            piece += lines[next]
            next += 1
        } while next < lines.count && piece.count + lines[next].count <= Self.pieceSize
        let sent = Self.write(piece, to: descriptor)
        let isWhole = sent == piece.count
        if sent > 0 { isMidLine = piece[sent - 1] != UInt8(ascii: "\n") }
        var lost = 0
        if !isWhole {
            var end = head
            for line in lines[first..<next] {
                end += line.count
                if end > sent { lost += 1 }
            }
        }
        state.withLock { state in
            state.bytes -= piece.count - head
            if sent >= head { state.untold -= told }
            if lost > 0 { state.lose(lost, .writeFailed) }
        }
    }

    /// Writes all bytes, and waits for a slow reader. Returns how many were written: fewer than all only where the system refuses
    /// them.
    package static func write(_ bytes: [UInt8], to descriptor: CInt) -> Int {
        var sent = 0
        while sent < bytes.count {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            // Other errors of `poll` are ignored: `write` reports the cause.
            if poll(&entry, 1, -1) < 0, errno == EINTR { continue }
            let count = min(pieceSize, bytes.count - sent)
            let written = bytes[sent..<(sent + count)]
                .withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, count) }
            if written > 0 {
                sent += written
            } else if written == 0 || (errno != EINTR && errno != EAGAIN) {
                break
            }
        }
        return sent
    }
}

extension LogWriter.State {
    /// Marks the waiting lines as urgent. Returns true if they were not before: then the thread has to be woken.
    fileprivate mutating func becameUrgent() -> Bool {
        defer { isUrgent = true }
        return !isUrgent
    }

    fileprivate mutating func lose(_ number: Int, _ loss: LogWriter.Loss) {
        lost[loss, default: 0] += number
        counters[loss]?.increment(by: number)
        untold += number
    }
}
