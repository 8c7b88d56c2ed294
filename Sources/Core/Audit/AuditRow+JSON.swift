import Exports
public import JSON
import SystemCrypto

extension AuditRow {
    /// Writes the members of the row's object: the schema `AuditRow` of `openapi.yaml`.
    public func write(to writer: inout JSONWriter) {
        writer.member("sequence", .integer(sequence))
        writer.member("id", entry.id.description)
        writer.member("time", entry.time.description)
        writer.member("action", entry.action.rawValue)
        writer.member("outcome", entry.outcome.rawValue)
        writer.member("caller", entry.caller)
        writer.member("address", entry.address)
        writer.member("requestId", entry.requestID)
        writer.member("exportId", entry.exportID?.description)
        writer.member("details", entry.details.isEmpty ? nil : .object(entry.details.mapValues { .string($0) }))
        writer.member("previous", Hexadecimal.encode(previous))
        writer.member("keyId", keyID)
        writer.member("hmac", Hexadecimal.encode(code))
    }

    /// The row as a line of NDJSON, without its end.
    public var line: [UInt8] { JSONWriter.object(reserving: 640) { write(to: &$0) } }

    /// Reads a line of NDJSON. Nil for anything that ``line`` does not make, such as a row with a member too many, which no code covers.
    public init?(line: some Sequence<UInt8>) {
        guard let object = (try? JSONValue(parsing: line))?.object else { return nil }
        var reader = AuditObject(members: object)
        guard let sequence = reader.take("sequence")?.integer, let id = reader.text("id").flatMap({ ExportID($0) }),
            let time = reader.time("time"), let action = reader.text("action").flatMap(AuditAction.init),
            let outcome = reader.text("outcome").flatMap(AuditOutcome.init), let previous = reader.code("previous"),
            let keyID = reader.text("keyId"), let code = reader.code("hmac"), AuditBounds.contain(sequence, time)
        else { return nil }
        let (caller, address) = (reader.text("caller"), reader.text("address"))
        let (requestID, exportText) = (reader.text("requestId"), reader.text("exportId"))
        let exportID = exportText.flatMap { ExportID($0) }
        let details = (reader.take("details")?.object ?? [:]).compactMapValues(\.string)
        let row = AuditRow(
            sequence: sequence,
            entry: AuditEntry(
                id: id,
                time: time,
                action: action,
                outcome: outcome,
                caller: caller,
                address: address,
                requestID: requestID,
                exportID: exportID,
                details: details
            ),
            previous: previous,
            keyID: keyID,
            code: code
        )
        // Whatever was not read, or is written in another way, is seen by comparing both texts as values.
        guard (try? JSONValue(parsing: row.line)) == .object(object) else { return nil }
        self = row
    }
}

extension AuditRow {
    /// What stands for a row that cannot be read: its number, and `"unreadable":true`. It is no row, so that whoever checks a piece finds
    /// it.
    public static func unreadableLine(_ sequence: Int64) -> [UInt8] {
        JSONWriter.object { writer in
            writer.member("sequence", .integer(sequence))
            writer.member("unreadable", .bool(true))
        }
    }

    /// The number in such a line. Nil for any other one.
    public static func sequence(unreadable line: some Sequence<UInt8>) -> Int64? {
        let object = (try? JSONValue(parsing: line))?.object
        return object?["unreadable"] == .bool(true) ? object?["sequence"]?.integer : nil
    }
}

extension AuditHead {
    /// The code in hexadecimal digits.
    public var codeText: String { Hexadecimal.encode(code) }

    /// The head as a line of NDJSON, without its end (`Audit, Heads`).
    public var line: [UInt8] {
        JSONWriter.object { writer in
            writer.member("time", time.description)
            writer.member("sequence", .integer(sequence))
            writer.member("keyId", keyID)
            writer.member("hmac", codeText)
        }
    }

    /// Reads a line of NDJSON. Members that it does not know are passed over, so that lines of a log can be read too. Nil for anything
    /// else.
    public init?(line: some Sequence<UInt8>) {
        guard let object = (try? JSONValue(parsing: line))?.object else { return nil }
        var reader = AuditObject(members: object)
        // In a log, numbers are texts.
        let number = reader.take("sequence")
        guard let sequence = number?.integer ?? number?.string.flatMap({ Int64($0) }),
            let code = reader.code("hmac")
        else { return nil }
        let (keyID, time) = (reader.text("keyId") ?? "", reader.time("time") ?? Timestamp(milliseconds: 0))
        guard AuditBounds.contain(sequence, time) else { return nil }
        self.init(sequence: sequence, code: code, keyID: keyID, time: time)
    }
}

/// The members of an object that is read.
private struct AuditObject {
    var members: [String: JSONValue]

    mutating func take(_ name: String) -> JSONValue? { members.removeValue(forKey: name) }
    mutating func text(_ name: String) -> String? { take(name)?.string }
    mutating func time(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp(rfc3339: $0) } }

    mutating func code(_ name: String) -> [UInt8]? {
        text(name).flatMap { Hexadecimal.decode($0) }.flatMap { $0.count == AuditRow.noCode.count ? $0 : nil }
    }
}
