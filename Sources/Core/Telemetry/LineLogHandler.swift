import Exports
import Foundation
import JSON
public import Logging

/// The destination of log lines. It gets one complete line at a time.
public struct LogSink: Sendable {
    /// Takes the bytes of a line. A line that is not urgent may be kept for a moment, and written together with others.
    package let write: @Sendable (_ line: [UInt8], _ isUrgent: Bool) -> Void

    /// Makes a sink. `write` gets each line with its line end, and must not mix it with another.
    public init(write: @escaping @Sendable (String) -> Void) {
        self.init { line, _ in write(String(decoding: line, as: UTF8.self)) }
    }

    /// Makes a sink that gets lines as their bytes.
    init(write: @escaping @Sendable (_ line: [UInt8], _ isUrgent: Bool) -> Void) {
        self.write = write
    }
}

/// Writes each log event as one line: JSON for machines, text for people.
///
/// Control characters in messages and values are escaped, so that no value can forge a line (CWE-117).
public struct LineLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    let label: String
    let format: LogSettings.Format
    let time: any TimeSource
    let sink: LogSink
    let timeText = TimestampText()
    private let level: LogLevel
    /// Set for one logger only.
    private var ownLevel: Logger.Level?

    /// Makes a handler for the logger `label`. With `level`, that is followed, in place of the level of `settings`.
    public init(label: String, settings: LogSettings, time: any TimeSource, sink: LogSink, level: LogLevel? = nil) {
        self.label = label
        self.level = level ?? LogLevel(settings.level)
        format = settings.format
        self.time = time
        self.sink = sink
    }

    public var logLevel: Logger.Level {
        get { ownLevel ?? level.current }
        set { ownLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = event.metadata ?? [:]
        if !metadata.isEmpty { all.merge(metadata) { own, _ in own } }
        if let provided = metadataProvider?.get() { all.merge(provided) { own, _ in own } }
        let message = event.message.description
        let bytes = plainLine(event.level, message, all) ?? Array(line(event.level, message, all).utf8)
        // Lines below `notice` are frequent: one or more for each request and export. The others are rare, and one of them may say
        // why the process ends, so they must not wait.
        sink.write(bytes, event.level >= .notice)
    }

    /// An event as its line, with the line end.
    func line(_ level: Logger.Level, _ message: String, _ all: Logger.Metadata) -> String {
        switch format {
        case .json:
            var members: [String: JSONValue] = [
                "time": .string(time.now().description), "level": .string(level.rawValue),
                "logger": .string(label), "message": .string(message),
            ]
            for (key, value) in all { members[members[key] == nil ? key : "metadata.\(key)"] = .string("\(value)") }
            // The JSON encoder does not escape DEL and characters beyond ASCII.
            return Self.escaped(String(decoding: JSONValue.object(members).encodedBytes(), as: UTF8.self), asJSON: true)
                + "\n"
        case .text:
            let values = all.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.escaped("\($0.value)"))" }.joined()
            return "\(time.now()) \(level.rawValue) \(label): \(Self.escaped(message))\(values)\n"
        }
    }

    private static func escaped(_ text: String, asJSON: Bool = false) -> String {
        // The usual case: there is nothing to escape.
        if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            guard
                scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
            else { return result.unicodeScalars.append(scalar) }
            let hex = String(scalar.value, radix: 16)
            result += asJSON ? "\\u" + String(repeating: "0", count: 4 - hex.count) + hex : "\\u{\(hex)}"
        }
    }
}
