import Exports
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import VivaGoals

@Suite struct VivaGoalsFailureTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var status: Int
        var fixture: String?
        var step = UpstreamStep.start
        var code: ProviderError.Code
        var upstreamCode: String?
        var word = ""

        var testDescription: String { "\(status) \(fixture ?? "") during \(step)" }
    }

    static let cases = [
        Case(
            status: 409,
            fixture: "goals-create-409.response.json",
            code: .conflict,
            upstreamCode: "exportJobAlreadyExists",
            word: "Try again when that job has ended"
        ),
        Case(
            status: 404,
            fixture: "goals-create-404.response.json",
            code: .notFound,
            upstreamCode: "goalsOrganizationIdNotFound",
            word: "goalsOrganizationId"
        ),
        Case(
            status: 400,
            fixture: "goals-create-400.response.json",
            code: .invalid,
            upstreamCode: "invalidGoalsOrganizationId"
        ),
        Case(
            status: 404,
            fixture: "goals-get-404.response.json",
            step: .read,
            code: .notFound,
            upstreamCode: "exportJobNotFound"
        ),
        Case(
            status: 404,
            fixture: "goals-get-404.response.json",
            step: .file,
            code: .gone,
            upstreamCode: "exportJobNotFound",
            word: "24 hours"
        ),
        Case(
            status: 400,
            fixture: "goals-get-400.response.json",
            step: .read,
            code: .permanent,
            upstreamCode: "badRequest"
        ),
        Case(
            status: 400,
            fixture: "goals-list-bad-filter-400.response.json",
            step: .read,
            code: .permanent,
            upstreamCode: "badRequest"
        ),
        Case(status: 400, fixture: "common-error-2023.response.json", code: .invalid, upstreamCode: "invalidRange"),
        Case(status: 400, fixture: "common-error-basic.response.json", code: .invalid, upstreamCode: "invalidRange"),
        Case(status: 401, code: .unauthenticated, word: "delegated"),
        Case(status: 403, code: .forbidden, word: "Goals-Export.ReadWrite.All"),
        Case(status: 402, code: .forbidden),
        Case(status: 404, code: .notFound, word: "2025-12-31"),
        Case(status: 410, code: .notFound, word: "2025-12-31"),
        Case(status: 404, step: .read, code: .notFound, word: "2025-12-31"),
        Case(status: 404, step: .read, code: .notFound),
        Case(status: 410, step: .read, code: .gone),
        Case(status: 404, step: .file, code: .gone),
        Case(status: 410, step: .file, code: .gone),
        Case(status: 409, step: .file, code: .transient),
        Case(status: 202, step: .file, code: .transient),
        Case(status: 409, code: .conflict),
        Case(status: 423, step: .read, code: .transient),
        Case(status: 429, code: .throttled),
        Case(status: 429, step: .file, code: .throttled),
        Case(status: 500, code: .ambiguous),
        Case(status: 503, code: .ambiguous),
        Case(status: 504, step: .read, code: .transient),
        Case(status: 507, step: .read, code: .transient),
        Case(status: 302, step: .read, code: .permanent),
        Case(status: 405, code: .permanent),
    ]

    @Test("each answer has one meaning", arguments: cases)
    func meaning(_ item: Case) throws {
        let body = try item.fixture.map { try recordings.text($0) } ?? ""
        let error = VivaGoalsFailure.error(answer(item.status, ["request-id": "r1"], body: body), during: item.step)
        #expect(error.code == item.code)
        #expect(error.detail.contains(item.word), "\(error.detail)")
        #expect(error.upstream?.status == item.status)
        #expect(error.upstream?.code == item.upstreamCode)
        #expect(error.upstream?.requestId == "r1")
    }

    @Test("a conflict names the job in the way, from the body or the Location")
    func conflict() throws {
        let body = try recordings.text("goals-create-409.response.json")
        let id = "eyJfdHlwZSI6Ikdyb3VwIiwiaWQiOiI4MzIxMjc1In0"
        let error = VivaGoalsFailure.error(answer(409, body: body), during: .start)
        #expect(error.existing == id)
        #expect(error.detail.contains(id))
        #expect(error.upstream?.message == "Another export job is still active or waiting to be executed")
        let bare = #"{"error":{"code":"notAllowed","innerError":{"code":"ExportJobAlreadyExists"}}}"#
        let location = "\"https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/\(id)\""
        #expect(VivaGoalsFailure.error(answer(409, ["Location": location], body: bare), during: .start).existing == id)
        let nameless = VivaGoalsFailure.error(answer(409, body: bare), during: .start)
        #expect(nameless.existing == nil)
        #expect(nameless.code == .conflict)
    }

    @Test("a refused organization names its field")
    func field() throws {
        let body = try recordings.text("goals-create-400.response.json")
        let error = VivaGoalsFailure.error(answer(400, body: body), during: .start)
        #expect(error.faults.map(\.pointer) == ["/goalsOrganizationId"])
    }

    @Test(
        "the deepest code that says something, in any spelling",
        arguments: [
            (#"{"error":{"code":"a","innerError":{"code":"b","innererror":{"code":"c"}}}}"#, "c", nil),
            (#"{"error":{"code":"a","innerError":{"code":"unknown","request-id":"r"}}}"#, "a", "r"),
            (#"{"error":{"code":"unknown"}}"#, "unknown", nil),
            (#"{"error":{"code":"a","INNERERROR":{"requestId":"q"}}}"#, "a", "q"),
            (#"{"Error":{"Code":"a"}}"#, "a", nil), ("[]", nil, nil), ("", nil, nil),
        ] as [(String, String?, String?)]
    )
    func deepest(body: String, code: String?, requestID: String?) {
        let parsed = UpstreamErrorBody(answer(400, body: body))
        #expect(parsed.code == code)
        #expect(parsed.requestID == requestID)
    }

    @Test("a known code within an unknown one still decides")
    func knownWithin() {
        let body =
            #"{"error":{"code":"notAllowed","innerError":{"code":"exportJobAlreadyExists","innerError":{"code":"detail"}}}}"#
        let error = VivaGoalsFailure.error(answer(409, body: body), during: .start)
        #expect(error.code == .conflict)
        #expect(error.upstream?.code == "detail")
    }

    @Test("only what may be tried again says when, fractions of seconds included")
    func retryAfter() {
        let headers = ["Retry-After": "2.128"]
        #expect(VivaGoalsFailure.error(answer(429, headers), during: .start).retryAfter == .milliseconds(2128))
        #expect(VivaGoalsFailure.error(answer(503, headers), during: .read).retryAfter == .milliseconds(2128))
        // A refusal, not a failure: nothing was started.
        #expect(VivaGoalsFailure.error(answer(503, headers), during: .start).code == .throttled)
        #expect(ProviderError.unreadable("The answer", answer(200)).code == .transient)
    }

    @Test("a web page is told from a file")
    func html() {
        #expect(ProviderError.webPage(from: "Viva Goals", upstream: answer(200).errorInfo).code == .permanent)
    }
}
