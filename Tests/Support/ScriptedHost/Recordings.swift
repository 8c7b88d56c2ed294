import Exports
public import Foundation
import JSON
public import UpstreamHTTP

/// The bodies in a bundle's `Fixtures`, as recorded or printed by Microsoft.
public struct Recordings: Sendable {
    private let folder: URL

    /// Those of a test target's own bundle, `Bundle.module`.
    public init(_ bundle: Bundle) {
        folder = (bundle.resourceURL ?? bundle.bundleURL).appending(path: "Fixtures")
    }

    /// The bytes of the file; throws when there is none of that name.
    public func data(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }

    /// The file as text.
    public func text(_ name: String) throws -> String { String(decoding: try data(name), as: UTF8.self) }

    /// The file as JSON; throws when it is not.
    public func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: data(name)) }
}

/// A file of the package, by its path from the root.
public func packageFile(_ path: String) throws -> String {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return try String(contentsOf: root.appending(path: path), encoding: .utf8)
}

/// An answer as it comes from the socket.
public func answer(_ status: Int, _ headers: [String: String] = [:], body: String = "") -> UpstreamResponse {
    UpstreamResponse(
        status: status,
        headers: UpstreamHeaders(headers.map { ($0.key, $0.value) }),
        body: Array(body.utf8),
        receivedAt: Timestamp(milliseconds: 1_780_000_000_000)
    )
}
