import Exports
import Foundation
import Testing
import UpstreamHTTP

@testable import PowerBI

/// The bodies in `Fixtures`, as recorded or printed by Microsoft.
enum Fixture {
    static func data(_ name: String) throws -> Data {
        let folder = try #require(Bundle.module.resourceURL)
        return try Data(contentsOf: folder.appendingPathComponent("Fixtures").appendingPathComponent(name))
    }

    static func text(_ name: String) throws -> String { String(decoding: try data(name), as: UTF8.self) }

    static func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: data(name)) }

    /// A file of the package, by its path from the root.
    static func source(_ path: String) throws -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

/// An answer as it comes from the socket.
func answer(_ status: Int, _ headers: [String: String] = [:], body: String = "") -> UpstreamResponse {
    UpstreamResponse(
        status: status,
        headers: UpstreamHeaders(headers.map { ($0.key, $0.value) }),
        body: Array(body.utf8),
        receivedAt: Timestamp(milliseconds: 1_780_000_000_000)
    )
}

let reportID = "5b218778-e7a5-4d73-8187-f10824047715"
let groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"

/// Options that are valid, with members of their own.
func options(_ members: [String: JSONValue]) -> JSONValue {
    .object(["groupId": .string(groupID), "reportId": .string(reportID)].merging(members) { $1 })
}

/// The faults of options that must be refused.
func faults(_ options: JSONValue, _ location: SourceLocation = #_sourceLocation) -> [FieldFault] {
    do {
        _ = try PowerBIRequest.validate(options)
        Issue.record("these options passed", sourceLocation: location)
        return []
    } catch {
        #expect(error.code == .invalid, sourceLocation: location)
        #expect(error.problem == .invalidExport, sourceLocation: location)
        return error.faults
    }
}
