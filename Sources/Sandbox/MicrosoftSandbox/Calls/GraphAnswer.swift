import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Answers in Graph's form (`Upstream-Graph, Errors` and `Upstream-Graph, Throttling`).
struct GraphAnswer {
    let world: World
    let call: Call

    /// An entity or a collection.
    func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        .json(status, value, headers: headers)
    }

    /// The end of a start: no body, the operation in `Location`.
    func accepted(location: String) -> Response {
        var headers = headers
        headers[.location] = location
        return Response(status: .accepted, headers: headers)
    }

    /// An error body. `inner` adds members to innerError.
    func error(
        _ status: HTTPResponse.Status,
        code: String,
        _ message: String,
        target: String? = nil,
        inner: [String: JSONValue] = [:]
    ) -> Response {
        let headers = headers
        var innerError = inner
        innerError["date"] = .string(UpstreamTime.innerErrorDate(call.now))
        innerError["request-id"] = .string(headers[.requestID] ?? "")
        innerError["client-request-id"] = .string(headers[.clientRequestID] ?? "")
        var error: [String: JSONValue] = [
            "code": .string(code), "message": .string(message), "innerError": .object(innerError),
        ]
        if let target { error["target"] = .string(target) }
        return .json(status, ["error": .object(error)], headers: headers)
    }

    func badRequest(_ message: String) -> Response { error(.badRequest, code: "BadRequest", message) }

    func notFound(_ message: String) -> Response { error(.notFound, code: "NotFound", message) }

    var notAllowed: Response {
        error(.methodNotAllowed, code: "BadRequest", "Specified HTTP method is not allowed for the request target.")
    }

    /// The generic refusal of a token (`Upstream-GraphEDiscovery, Errors`).
    var unauthorized: Response {
        var response = error(
            .unauthorized,
            code: "Unauthorized",
            "Processing of the HTTP request resulted in an exception. Please see the HTTP response returned by the "
                + "'Response' property of this exception for details."
        )
        response.headers[.wwwAuthenticate] = "Bearer"
        return response
    }

    /// 429 without its `Retry-After`.
    var throttled: Response {
        error(
            .tooManyRequests,
            code: "TooManyRequests",
            "Too many requests.",
            inner: ["code": "429", "status": "429", "message": "Too many requests."]
        )
    }

    private var headers: HTTPFields {
        let requestID = world.uuid()
        return [
            .requestID: requestID,
            .clientRequestID: call.headers[.clientRequestID] ?? requestID,
            .cacheControl: "no-store, must-revalidate, no-cache, max-age=0",
        ]
    }
}
