import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Answers in the token endpoint's form (`Upstream-EntraID, Token answers` and `Upstream-EntraID, Errors`).
struct EntraAnswer {
    let world: World
    let call: Call

    func json(_ status: HTTPResponse.Status, _ value: JSONValue) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store, no-cache"
        headers[.pragma] = "no-cache"
        headers[.expires] = "-1"
        headers[.xMSRequestID] = world.uuid()
        return .json(status, value, headers: headers)
    }

    /// Metadata, which may be kept for a day (`Upstream-EntraID, Access tokens`).
    func metadata(_ value: JSONValue) -> Response {
        .json(.ok, value, headers: [.cacheControl: "max-age=86400, private"])
    }

    func error(_ problem: EntraProblem) -> Response {
        let (trace, correlation) = (world.uuid(), call.headers[.clientRequestID] ?? world.uuid())
        let time = UpstreamTime.tokenErrorTime(call.now)
        var members: [String: JSONValue] = [
            "error": .string(problem.error),
            "error_description": .string(
                "AADSTS\(problem.code): \(problem.text)\r\nTrace ID: \(trace)\r\nCorrelation ID: \(correlation)"
                    + "\r\nTimestamp: \(time)"
            ),
            "error_codes": [.integer(Int64(problem.code))],
            "timestamp": .string(time),
            "trace_id": .string(trace),
            "correlation_id": .string(correlation),
            "error_uri": .string("https://login.microsoftonline.com/error?code=\(problem.code)"),
        ]
        members["suberror"] = problem.suberror.map { .string($0) }
        members["claims"] = problem.claims.map { .string($0) }
        return json(problem.status, .object(members))
    }
}
