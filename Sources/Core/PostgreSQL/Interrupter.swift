#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Ends what a thread waits for in ``PostgreSQLConnection/waitForNotifications(for:)`` or while a connection is opened, from another
/// thread. Queries are not interrupted.
public final class Interrupter: Sendable {
    private let reading: CInt
    private let writing: CInt

    /// Makes one. Throws `other` where the process has no file descriptors left.
    public init() throws(PostgreSQLError) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PostgreSQLError(.other, message: "The process has no file descriptors left.")
        }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        _ = Self.close(reading)
        _ = Self.close(writing)
    }

    /// Ends the waiting under way, or else the next one. Twice before a wait is the same as once.
    public func interrupt() {
        var byte: UInt8 = 1
        // A full pipe interrupts as well.
        _ = write(writing, &byte, 1)
    }

    /// Waits until `deadline`. Returns true when it was interrupted.
    func wait(until deadline: ContinuousClock.Instant) -> Bool {
        Descriptors.wait(for: -1, .reading, or: self, until: deadline) == .interrupted
    }

    fileprivate func takeInterrupt() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(reading, &bytes, bytes.count) > 0 {}
    }

    fileprivate var descriptor: CInt { reading }

    private static func close(_ descriptor: CInt) -> CInt {
        #if canImport(Glibc)
        Glibc.close(descriptor)
        #elseif canImport(Musl)
        Musl.close(descriptor)
        #else
        Darwin.close(descriptor)
        #endif
    }
}

/// Waiting for sockets.
enum Descriptors {
    enum Interest {
        case reading
        case writing
        case both
    }

    enum Outcome {
        /// The socket can be read or written, or failed, which the next use of it shows.
        case ready
        case interrupted
        case timedOut
    }

    /// Waits for `socket`, unless it is negative. A deadline in the past only checks.
    static func wait(
        for socket: CInt,
        _ interest: Interest,
        or interrupter: Interrupter? = nil,
        until deadline: ContinuousClock.Instant
    ) -> Outcome {
        let events: CInt =
            switch interest {
            case .reading: CInt(POLLIN)
            case .writing: CInt(POLLOUT)
            case .both: CInt(POLLIN) | CInt(POLLOUT)
            }
        // Not an array, which would be an allocation for each wait.
        var polled = (
            pollfd(fd: socket, events: Int16(events), revents: 0),
            pollfd(fd: interrupter?.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
        )
        while true {
            let rest = max(.zero, deadline - ContinuousClock.now)
            let (seconds, attoseconds) = rest.components
            // Rounded up, so that the deadline has passed when nothing came; a longer wait is split.
            let milliseconds = min(
                3_600_000,
                seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
            )
            let count = withUnsafeMutablePointer(to: &polled) { pair in
                pair.withMemoryRebound(to: pollfd.self, capacity: 2) { poll($0, 2, CInt(milliseconds)) }
            }
            if count > 0 {
                if polled.1.revents != 0 {
                    interrupter?.takeInterrupt()
                    return .interrupted
                }
                return .ready
            }
            // A signal is no reason to end.
            if ContinuousClock.now >= deadline { return .timedOut }
        }
    }
}
