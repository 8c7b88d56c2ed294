import Telemetry
import Foundation

/// The three standard descriptors of a process. They may be closed, or may not work.
public enum StandardStreams {
    /// Makes them safe to use. To be called before anything is opened.
    ///
    /// One that is closed gets `/dev/null`, opened for reading: otherwise the next file or socket would get its number, and log
    /// lines would be written into it, the ledger for instance. Writing to it fails, as it did before. A pipe whose reader
    /// has gone, and a file at its size limit, become errors of the call in place of signals that end the process.
    public static func secure() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // `open` takes the lowest free number, which is this one, because the lower ones are open by now.
            _ = open("/dev/null", O_RDONLY)
        }
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Writes a whole text, and waits for the reader. False where it cannot be written.
    @discardableResult
    public static func write(_ text: String, to descriptor: CInt) -> Bool {
        let bytes = Array(text.utf8)
        return LogWriter.write(bytes, to: descriptor) == bytes.count
    }

    /// Writes a last line to standard error. Gives up after two seconds.
    public static func report(_ line: String) {
        let writer = LogWriter(descriptor: STDERR_FILENO, capacity: 1 << 20) { _ in "" }
        writer.sink.write(Array(line.utf8), true)
        writer.close(within: .seconds(2))
    }
}
