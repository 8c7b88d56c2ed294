import Exports
import Foundation
import Testing
import UpstreamHTTP

@testable import VivaGoals

/// The bodies in `Fixtures`, as captured or printed by Microsoft.
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

let organizationID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
let viewID = "e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"
let viewAddress = "https://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer?viewId=\(viewID)"
