import Exports
import Logging

/// Most lines of the log are about requests. To save time, they are written without a `JSONValue`; the bytes are the same.
extension LineLogHandler: AccessLog {
    public func write(_ record: AccessRecord) {
        guard record.level >= logLevel else { return }
        let isPlain =
            metadata.isEmpty && metadataProvider == nil && Self.isPlain(label) && Self.isPlain(record.requestID)
            && Self.isPlain(record.route) && Self.isPlain(record.method) && record.caller.map(Self.isPlain) ?? true
        guard isPlain else {
            log(
                event: LogEvent(
                    level: record.level,
                    message: "\(record.message)",
                    metadata: record.metadata,
                    source: "GatewayAPI",
                    file: #fileID,
                    function: #function,
                    line: #line
                )
            )
            return
        }
        sink.write(format == .json ? json(record) : text(record), record.level >= .warning)
    }

    /// Whether a text needs no escaping, in JSON either.
    private static func isPlain(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            bytes.allSatisfy {
                (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
        }
    }

    /// The line of an event in JSON, made without a `JSONValue`. Nil for the format `text`, and where something has to be escaped or
    /// renamed.
    func plainLine(_ level: Logger.Level, _ message: String, _ all: Logger.Metadata) -> [UInt8]? {
        guard format == .json, Self.isPlain(label), Self.isPlain(message) else { return nil }
        var members = [("level", level.rawValue), ("logger", label), ("message", message), ("time", "")]
        for (key, value) in all {
            let text = if case .string(let text) = value { text } else { "\(value)" }
            guard !members[..<4].contains(where: { $0.0 == key }), Self.isPlain(key), Self.isPlain(text) else {
                return nil
            }
            members.append((key, text))
        }
        members.sort { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
        var line = AccessLine()
        for (index, (name, value)) in members.enumerated() {
            line.append(index == 0 ? #"{""# : #"",""#, "")
            line.append("", name)
            line.append(#"":""#, value)
            if name == "time" { line.append("", time.now(), timeText) }
        }
        line.append("\"}\n", "")
        return line.bytes
    }

    /// The members are sorted by name, as everywhere in the log.
    private func json(_ record: AccessRecord) -> [UInt8] {
        var line = AccessLine()
        line.append(#"{"bytes":""#, record.bytes)
        if let caller = record.caller { line.append(#"","caller":""#, caller) }
        if let code = record.code { line.append(#"","code":""#, code.rawValue) }
        line.append(#"","duration_ms":""#, record.duration.milliseconds)
        if let export = record.export { line.append(#"","export":""#, export) }
        line.append(#"","level":""#, record.level.rawValue)
        line.append(#"","logger":""#, label)
        line.append(#"","message":""#, record.message)
        line.append(#"","method":""#, record.method)
        line.append(#"","request_id":""#, record.requestID)
        line.append(#"","route":""#, record.route)
        line.append(#"","status":""#, Int64(record.status))
        line.append(#"","time":""#, time.now(), timeText)
        if let traceID = record.traceID { line.append(#"","trace_id":""#, traceID) }
        line.append("\"}\n", "")
        return line.bytes
    }

    private func text(_ record: AccessRecord) -> [UInt8] {
        var line = AccessLine()
        line.append("", time.now(), timeText)
        line.append(" ", record.level.rawValue)
        line.append(" ", label)
        line.append(": ", record.message)
        line.append(" bytes=", record.bytes)
        if let caller = record.caller { line.append(" caller=", caller) }
        if let code = record.code { line.append(" code=", code.rawValue) }
        line.append(" duration_ms=", record.duration.milliseconds)
        if let export = record.export { line.append(" export=", export) }
        line.append(" method=", record.method)
        line.append(" request_id=", record.requestID)
        line.append(" route=", record.route)
        line.append(" status=", Int64(record.status))
        if let traceID = record.traceID { line.append(" trace_id=", traceID) }
        line.append("\n", "")
        return line.bytes
    }
}

/// A line that is being written.
private struct AccessLine {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(384) }

    mutating func append(_ name: StaticString, _ value: String) {
        append(name)
        var value = value
        value.withUTF8 { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ name: StaticString, _ value: Int64) {
        append(name)
        guard value >= 0 else { return append("", String(value)) }
        let start = bytes.count
        var rest = value
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    mutating func append(_ name: StaticString, _ id: ExportID) {
        append(name)
        id.append(to: &bytes)
    }

    mutating func append(_ name: StaticString, _ time: Timestamp, _ text: TimestampText) {
        append(name)
        text.append(time, to: &bytes)
    }

    private mutating func append(_ name: StaticString) {
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
}
