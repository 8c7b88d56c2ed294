import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Answers in Power BI's form: the recorded header fields on every one, and errors in four shapes
/// (`Upstream-PowerBI, Errors`).
struct PowerBIAnswer {
    let world: World
    let call: Call

    func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        .json(status, value, headers: headers)
    }

    /// Only header fields: how bad tokens are refused.
    func empty(_ status: HTTPResponse.Status, info: String? = nil) -> Response {
        var headers = headers
        if let info { headers[.powerBIErrorInfo] = info }
        return Response(status: status, headers: headers)
    }

    /// `{"error":{"code","message"}}`.
    func error(_ status: HTTPResponse.Status, code: String, _ message: String) -> Response {
        json(["error": ["code": .string(code), "message": .string(message)]], status: status)
    }

    /// The envelope without a message.
    func envelope(_ status: HTTPResponse.Status, code: String, info: String? = nil) -> Response {
        var response = json(
            [
                "error": [
                    "code": .string(code),
                    "pbi.error": [
                        "code": .string(code), "parameters": [:], "details": [], "exceptionCulprit": 1,
                    ],
                ]
            ],
            status: status
        )
        if let info { response.headers[.powerBIErrorInfo] = info }
        return response
    }

    var notFound: Response { envelope(.notFound, code: "PowerBIEntityNotFound", info: "PowerBIEntityNotFound") }

    /// The header fields of a recorded answer.
    var headers: HTTPFields {
        [
            .cacheControl: "no-store, must-revalidate, no-cache",
            .pragma: "no-cache",
            .strictTransportSecurity: "max-age=31536000; includeSubDomains",
            .xFrameOptions: "deny",
            .xContentTypeOptions: "nosniff",
            .plainRequestID: world.uuid(),
            .accessControlExposeHeaders: "RequestId",
            .requestRedirected: "true",
            .homeCluster: "https://wabi-north-europe-primary-redirect.analysis.windows.net/",
        ]
    }
}

extension HTTPField.Name {
    // A valid token, so that it is not nil.
    fileprivate static let powerBIErrorInfo = Self("x-powerbi-error-info")!
}
