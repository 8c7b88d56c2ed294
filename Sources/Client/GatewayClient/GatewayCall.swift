import AsyncHTTPClient
import Exports
import JSON
import NIOCore
import NIOHTTP1

/// A request, before it has its key and its id.
struct GatewayCall: Sendable {
    var method: HTTPMethod = .GET
    var path: [String]
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]?

    /// For messages: what was asked for, without the address.
    var label: String { "\(method.rawValue) /\(path.joined(separator: "/"))" }
}

/// A whole answer that is no error.
struct GatewayAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]

    var etag: String? { headers.first(name: "etag") }

    /// Whether the gateway held the answer back (RFC 7240, 3: https://www.rfc-editor.org/rfc/rfc7240#section-3).
    var wasHeld: Bool { headers.first(name: "preference-applied")?.hasPrefix("wait") ?? false }

    var retryAfter: Duration? { headers.retryAfter }

    /// Reads the body.
    func json(of label: String) throws(GatewayClientError) -> JSONValue {
        do throws(JSONParser.Failure) {
            return try JSONValue(parsing: body)
        } catch {
            throw .unexpectedAnswer("The answer to \(label) \(error.reason): is the address that of a gateway?")
        }
    }

    /// Reads the body as an export.
    func export(of label: String) throws(GatewayClientError) -> GatewayExport {
        guard let export = GatewayExport(try json(of: label)) else {
            throw .unexpectedAnswer("The answer to \(label) is no export: is the address that of a gateway?")
        }
        return export
    }
}

extension HTTPHeaders {
    /// Seconds (RFC 9110, 10.2.3); a date, which this gateway does not send, is ignored.
    var retryAfter: Duration? {
        first(name: "retry-after").flatMap { Int64($0) }.flatMap { (0...86_400).contains($0) ? .seconds($0) : nil }
    }
}
