import Exports
import HTTPTypes
import JSON
import NIOCore

/// One call as the parts that answer it see it.
struct Call: Sendable {
    var operation: Operation
    /// What answers it.
    var service: any SandboxService.Type
    /// Where it came.
    var listener: Listener
    var captures: [String: String]
    var method: HTTPRequest.Method
    /// The path as it came, without the query.
    var rawPath: String
    var query: QueryText
    var rawQuery: String
    /// The `Host` that the caller used.
    var authority: String?
    var headers: HTTPFields
    var body: ByteBuffer
    var now: Timestamp
    var channel: any Channel
    var faults = Faults()

    /// The segment that stands for `{name}` in the route.
    subscript(_ name: String) -> String { captures[name] ?? "" }

    /// The bearer token presented (RFC 6750, 2.1).
    var bearer: String? {
        guard let header = headers[.authorization], header.lowercased().hasPrefix("bearer ") else { return nil }
        return String(header.dropFirst("bearer ".count))
    }

    /// The body as JSON; nil for an empty or broken one.
    var json: JSONValue? {
        body.readableBytes == 0 ? nil : try? JSONValue(parsing: body.readableBytesView)
    }

    /// Whether a preference was stated (RFC 7240).
    func prefers(_ preference: String) -> Bool {
        headers[values: .prefer]
            .contains { line in
                line.split(separator: ",")
                    .contains { item in
                        item.split(separator: ";").first.map { $0.filter { $0 != " " }.lowercased() == preference }
                            ?? false
                    }
            }
    }
}
