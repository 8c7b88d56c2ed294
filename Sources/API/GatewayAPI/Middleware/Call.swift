import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// A request that matched a route, from an authorized caller.
struct Call: Sendable {
    var request: Request
    var route: Route
    /// The values of the route's names, percent-decoded.
    var parameters: [String: String]
    var query: Substring?
    /// Makes the links in the answer.
    var links: Links
    /// The authenticated caller; with a ticket, the one who made it.
    var caller: Caller
    /// Who may call and how much, for the whole request.
    var callers: CallersInForce
    /// The ticket in the path, where the route takes one instead of a credential.
    var ticket: Ticket?
    var requestID: String
    /// The address of the client, where an audit trail is kept.
    var address: String?
    var channel: any Channel
    var logger: Logger

    /// The caller without any upstream token.
    var viewer: Viewer { viewer(token: nil, downloadToken: nil) }

    /// The caller with the upstream tokens of the request.
    func viewer(token: Secret?, downloadToken: Secret?) -> Viewer {
        caller.viewer(token: token, downloadToken: downloadToken, requestID: requestID, address: address)
    }

    /// The request's header fields.
    var fields: RequestFields { RequestFields(request.headers) }

    /// Whether the body is so short that it counts as a part of the head, and nearly always comes with it.
    var hasShortBody: Bool {
        request.headers[.contentLength].flatMap { Int64($0) }.map { $0 <= Int64(RequestBytes.allowance) } ?? false
    }

    /// Whether the answer needs no more than some microseconds of computation.
    var isShort: Bool { route.operation == .createExport && hasShortBody }

    /// The export in the path. Throws `notFound` for a text that is no export id.
    func exportID() throws(GatewayError) -> ExportID {
        guard let id = parameters["id"].flatMap({ ExportID($0) }) else { throw .noSuchExport }
        return id
    }
}

extension GatewayError {
    static let noSuchExport = GatewayError(.notFound, "There is no export with this id.")
}
