import Exports
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import PowerBI

@Suite struct PowerBIFailureTests {
    typealias Code = ProviderError.Code

    struct Case: Sendable, CustomTestStringConvertible {
        var status: Int
        var fixture: String?
        var headers: [String: String] = [:]
        var step = UpstreamStep.start
        var code: Code
        var upstreamCode: String?
        var word = ""

        var testDescription: String { "\(status) \(fixture ?? headers.description) during \(step)" }
    }

    static let cases = [
        Case(
            status: 400,
            fixture: "pbi-error-400-unsupported-format.json",
            code: .invalid,
            upstreamCode: "InvalidRequest",
            word: "PPTX, PDF, PNG"
        ),
        Case(
            status: 401,
            fixture: "pbi-error-401-notauthorized.json",
            code: .forbidden,
            upstreamCode: "PowerBINotAuthorizedException",
            word: "Member"
        ),
        Case(
            status: 403,
            fixture: "pbi-error-403-api-not-accessible.json",
            code: .forbidden,
            word: "tenant switch"
        ),
        Case(
            status: 401,
            fixture: "pbi-error-403-api-not-accessible.json",
            code: .forbidden,
            word: "tenant switch"
        ),
        Case(
            status: 403,
            fixture: "pbi-error-403-tokenexpired.json",
            code: .unauthenticated,
            upstreamCode: "TokenExpired"
        ),
        Case(
            status: 404,
            fixture: "pbi-error-404-featurenotavailable-constructed.json",
            code: .forbidden,
            upstreamCode: "FeatureNotAvailableError",
            word: "capacity"
        ),
        Case(status: 500, fixture: "pbi-error-500-generic.json", code: .ambiguous),
        Case(status: 500, fixture: "pbi-error-500-generic.json", step: .read, code: .transient),
        Case(
            status: 401,
            headers: ["x-powerbi-error-info": "GroupNotAccessible"],
            step: .read,
            code: .forbidden,
            upstreamCode: "GroupNotAccessible",
            word: "workspace"
        ),
        Case(
            status: 403,
            headers: ["X-PowerBI-Error-Info": "InvalidToken"],
            code: .unauthenticated,
            upstreamCode: "InvalidToken"
        ),
        Case(status: 403, code: .forbidden, word: "capacity"),
        Case(
            status: 401,
            headers: ["WWW-Authenticate": #"Bearer authorization_uri="x", error="insufficient_claims", claims="e30=""#],
            code: .unauthenticated,
            word: "Conditional Access"
        ),
        Case(status: 401, code: .unauthenticated),
        Case(status: 404, code: .notFound, word: "may not use"),
        Case(status: 404, step: .read, code: .notFound),
        Case(status: 404, step: .file, code: .gone, word: "24 hours"),
        Case(status: 410, step: .file, code: .gone),
        Case(status: 403, step: .file, code: .gone),
        Case(
            status: 403,
            headers: ["x-powerbi-error-info": "TokenExpired"],
            step: .file,
            code: .unauthenticated,
            upstreamCode: "TokenExpired"
        ),
        Case(
            status: 401,
            headers: ["x-powerbi-error-info": "GroupNotAccessible"],
            step: .file,
            code: .forbidden,
            upstreamCode: "GroupNotAccessible"
        ),
        Case(status: 202, step: .file, code: .transient),
        Case(status: 400, step: .file, code: .transient, word: "not have the file ready"),
        Case(status: 409, step: .file, code: .transient),
        Case(status: 425, step: .file, code: .transient),
        Case(status: 206, step: .file, code: .permanent),
        Case(status: 429, code: .throttled),
        Case(status: 429, step: .read, code: .throttled),
        Case(status: 429, step: .file, code: .throttled),
        Case(status: 503, step: .file, code: .transient),
        Case(status: 503, code: .ambiguous),
        Case(status: 503, headers: ["Retry-After": "30"], code: .throttled),
        Case(status: 307, code: .permanent, word: "not followed"),
        Case(status: 418, code: .permanent),
    ]

    @Test("each answer has one meaning", arguments: cases)
    func meaning(_ item: Case) throws {
        let body = try item.fixture.map { try recordings.text($0) } ?? ""
        let headers = item.headers.merging(["RequestId": "aee972ae-a508-482d-8f28-40c940974ab2"]) { $1 }
        let error = PowerBIFailure.error(answer(item.status, headers, body: body), during: item.step)
        #expect(error.code == item.code)
        #expect(error.detail.contains(item.word), "\(error.detail)")
        #expect(error.upstream?.status == item.status)
        #expect(error.upstream?.code == item.upstreamCode)
        #expect(error.upstream?.requestId == "aee972ae-a508-482d-8f28-40c940974ab2")
    }

    @Test("only what may be tried again says when")
    func retryAfter() {
        let headers = ["Retry-After": "2.5"]
        #expect(PowerBIFailure.error(answer(429, headers), during: .start).retryAfter == .milliseconds(2500))
        #expect(PowerBIFailure.error(answer(503, headers), during: .read).retryAfter == .milliseconds(2500))
        #expect(PowerBIFailure.error(answer(503, headers), during: .start).retryAfter == .milliseconds(2500))
        #expect(PowerBIFailure.error(answer(503), during: .start).retryAfter == nil)
        #expect(PowerBIFailure.error(answer(429), during: .start).retryAfter == nil)
    }

    @Test(
        "the text of an error, in each of its shapes",
        arguments: [
            (#"{"error":{"code":"A","message":"words"}}"#, "A", "words"),
            (
                #"{"error":{"code":"A","pbi.error":{"code":"B","details":[{"code":"D","detail":{"type":1,"value":"one"}},{"detail":{"value":"two"}}]}}}"#,
                "A", "one; two"
            ),
            (#"{"error":{"pbi.error":{"code":"B"}}}"#, "B", nil),
            (#"{"Message":"An error has occurred."}"#, nil, "An error has occurred."),
            (#"{"message":"lower"}"#, nil, "lower"),
            (#"{"error":{"code":"A","details":[{"code":"x","message":"deep","target":"t"}]}}"#, "A", "deep"),
            (#"{"code":"A","message":"flat"}"#, "A", "flat"),
            ("", nil, nil),
            ("<html>no</html>", nil, "no"),
            (#""text""#, nil, "text"),
        ] as [(String, String?, String?)]
    )
    func shapes(body: String, code: String?, message: String?) {
        let parsed = UpstreamErrorBody(answer(400, body: body))
        #expect(parsed.code == code)
        #expect(parsed.message == message)
    }

    @Test("a body in the header, as older services send it")
    func detailsHeader() {
        let response = answer(400, ["X-PowerBI-Error-Details": #"{"error":{"code":"A","message":"words"}}"#])
        #expect(response.errorInfo == UpstreamErrorInfo(status: 400, code: "A", message: "words"))
    }

    @Test("long diagnoses are kept")
    func longMessage() {
        let words = String(repeating: "w", count: 900)
        let body = #"{"error":{"code":"A","pbi.error":{"details":[{"detail":{"value":"\#(words)"}}]}}}"#
        #expect(answer(400, body: body).errorInfo.message == words)
    }

    @Test("recorded headers: the request id is found")
    func recordedHeaders() throws {
        let headers = try #require(recordings.json("pbi-response-headers-recorded.json").object)
        let response = answer(500, headers.compactMapValues(\.string))
        #expect(response.errorInfo.requestId == headers["RequestId"]?.string)
        #expect(!PowerBIFailure.rejectsToken(response))
    }

    @Test(
        "a new token is asked for when it can help, and only then",
        arguments: [
            (403, nil, "", true), (403, "InvalidToken", "", true), (403, "TokenExpired", "", true),
            (403, nil, #"{"error":{"code":"TokenExpired","message":"x"}}"#, true),
            (403, "GroupNotAccessible", "", false), (401, "GroupNotAccessible", "", false), (401, nil, "", false),
            (403, nil, #"{"Message":"API is not accessible for application"}"#, false),
            (403, nil, #"{"error":{"code":"SomethingElse"}}"#, false), (404, "InvalidToken", "", false),
            (200, nil, "", false),
        ] as [(Int, String?, String, Bool)]
    )
    func rejectsToken(status: Int, info: String?, body: String, expected: Bool) {
        let headers = info.map { ["x-powerbi-error-info": $0] } ?? [:]
        #expect(PowerBIFailure.rejectsToken(answer(status, headers, body: body)) == expected)
    }

    @Test("a token without the claims that are wanted is asked for again")
    func claims() {
        let headers = ["WWW-Authenticate": #"Bearer error="insufficient_claims", claims="e30=""#]
        #expect(PowerBIFailure.rejectsToken(answer(401, headers)))
    }

    @Test("a web page is told from a file")
    func html() {
        for type in ["text/html; charset=utf-8", "TEXT/HTML"] {
            #expect(UpstreamHeaders([("Content-Type", type)]).isWebPage)
        }
        for type in ["text/csv", "multipart/related; type=\"text/html\""] {
            #expect(!UpstreamHeaders([("Content-Type", type)]).isWebPage)
        }
        #expect(!UpstreamHeaders([]).isWebPage)
        #expect(ProviderError.webPage(from: "Power BI", upstream: answer(200).errorInfo).code == .permanent)
    }
}
