import Exports
import JSON

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Structured values in text columns.
package enum JSONText {
    private static let decoder = JSONDecoder()
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    static func write(_ value: some Encodable) throws -> String {
        String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func write(_ value: JSONValue) -> String { String(decoding: value.encodedBytes(), as: UTF8.self) }

    static func write(_ plan: ExportPlan) -> String {
        var members: [String: JSONValue] = [
            "source": plan.source, "suggestedName": .string(plan.suggestedName),
            "needsSecrets": .bool(plan.needsSecrets),
        ]
        members["destination"] = plan.destination.map(JSONValue.string)
        return write(.object(members))
    }

    static func read<T: Decodable>(_ text: String, _ column: String) throws -> T {
        do {
            return try decoder.decode(T.self, from: Data(text.utf8))
        } catch {
            throw unreadable(column, cause: error)
        }
    }

    static func readOptional<T: Decodable>(_ text: String?, _ column: String) throws -> T? {
        try text.map { try read($0, column) }
    }

    package static func unreadable(_ column: String, cause: (any Error)? = nil) -> LedgerError {
        var error = LedgerError(.corrupt, "column \(column) cannot be read", cause: cause)
        error.column = column
        return error
    }
}

// Reads the JSON columns that each poll needs. Without Foundation, which takes several times as long.
extension JSONText {
    /// The JSON value of a stored text; nil where it is not JSON. The depth is more than what callers may send.
    static func parsed(_ text: String) -> JSONValue? { try? JSONParser.parse(text, .strict(maxDepth: 128)) }

    static func value(_ text: String, _ column: String) throws -> JSONValue {
        guard let value = parsed(text) else { throw unreadable(column) }
        return value
    }

    static func plan(_ text: String) throws -> ExportPlan {
        guard let members = parsed(text)?.object, let source = members["source"],
            let name = members["suggestedName"]?.string, let needsSecrets = members["needsSecrets"]?.bool,
            members.count == (members["destination"]?.string == nil ? 3 : 4)
        else { return try read(text, "plan") }
        return ExportPlan(
            source: source,
            suggestedName: name,
            destination: members["destination"]?.string,
            needsSecrets: needsSecrets
        )
    }

    static func reference(_ text: String?) throws -> UpstreamReference? {
        guard let text else { return nil }
        guard let members = parsed(text)?.object, members.count == 2, let id = members["id"]?.string,
            let context = members["context"]?.object
        else { return try read(text, "reference") }
        let texts = context.compactMapValues(\.string)
        return texts.count == context.count ? UpstreamReference(id: id, context: texts) : try read(text, "reference")
    }

    static func upstream(_ text: String?) throws -> UpstreamState? {
        guard let text else { return nil }
        guard let members = parsed(text)?.object else { return try read(text, "upstream") }
        let (id, status) = (members["id"]?.string, members["status"]?.string)
        guard members.count == (id == nil ? 0 : 1) + (status == nil ? 0 : 1) else { return try read(text, "upstream") }
        return UpstreamState(id: id, status: status)
    }
}
