public import Exports
import Foundation
public import Logging

/// What is logged, and in which form.
public struct LogSettings: Sendable {
    /// The forms of a log line.
    public enum Format: String, Sendable, CaseIterable {
        case json, text
    }

    public var level = Logger.Level.info
    public var format = Format.json
    /// The most bytes of lines that wait to be written.
    public var bufferSize = 1 << 20

    /// The default settings.
    public init() {}
}

extension LogSettings {
    /// A logger that writes to `sink`. With `current`, it follows that level, in place of the one in the settings.
    public func logger(
        _ label: String,
        time: any TimeSource = SystemTime(),
        to sink: LogSink,
        at current: LogLevel? = nil
    ) -> Logger {
        let level = current ?? LogLevel(self.level)
        return Logger(label: label) {
            LineLogHandler(label: $0, settings: self, time: time, sink: sink, level: level)
        }
    }

    /// Makes the writer of all loggers' lines. It writes to `descriptor`, by default to standard error.
    public func writer(time: any TimeSource = SystemTime(), to descriptor: CInt = STDERR_FILENO) -> LogWriter {
        let handler = LineLogHandler(label: "log", settings: self, time: time, sink: LogSink { _, _ in })
        return LogWriter(descriptor: descriptor, capacity: bufferSize) { lost in
            handler.line(.warning, "Log lines were lost", ["lost": "\(lost)"])
        }
    }
}

extension LogSettings {
    /// Lines for people, from `level` on.
    public static func text(_ level: Logger.Level) -> LogSettings {
        var log = LogSettings()
        log.level = level
        log.format = .text
        return log
    }
}
