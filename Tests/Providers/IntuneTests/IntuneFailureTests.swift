import Exports
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import Intune

@Suite struct IntuneFailureTests {
    /// A message that is JSON itself, as Intune writes it.
    private static func nested(_ message: String, code: String = "Forbidden", retryAfter: String = "null") -> String {
        #"{"error":{"code":"\#(code)","message":"{\"_version\":3,\"Message\":\"\#(message)\",\"CustomApiErrorPhrase\":\"\","#
            + #"\"RetryAfter\":\#(retryAfter),\"HttpHeaders\":\"{}\"}","innerError":{"date":"2026-03-01T10:00:00","#
            + #""request-id":"r-1"}}}"#
    }

    private static func plain(_ code: String, _ message: String) -> String {
        #"{"error":{"code":"\#(code)","message":"\#(message)"}}"#
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var status: Int
        var headers: [String: String] = [:]
        var body = ""
        var step = UpstreamStep.start
        var code: ProviderError.Code
        var retryAfter: Duration?
        var word = ""
        var pointer: String?

        var testDescription: String { "\(status) during \(step): \(body.prefix(80))" }
    }

    static let broker = "Rate limit reached because of too many requests to query broker. Please try again later."

    static let cases = [
        Case(
            status: 403,
            body: nested("Application must have one of the following scopes: DeviceManagementApps.Read.All"),
            code: .forbidden,
            word: "DeviceManagementConfiguration"
        ),
        Case(status: 401, code: .unauthenticated, word: "expired"),
        Case(
            status: 400,
            body: nested("PostExportJobAsync not supported for reportType Unknown", code: "BadRequest"),
            code: .invalid,
            word: "reportName",
            pointer: "/reportName"
        ),
        Case(
            status: 400,
            body: plain("BadRequest", "Required filters are not set, restriction filter needed"),
            code: .invalid,
            word: "with a filter only",
            pointer: "/filter"
        ),
        Case(status: 400, body: plain("BadRequest", "No."), code: .invalid, word: "select"),
        Case(status: 400, body: plain("ResourceNotFound", "No."), step: .read, code: .notFound),
        Case(status: 400, body: plain("BadRequest", "No."), step: .read, code: .permanent),
        Case(status: 404, body: plain("ResourceNotFound", "No."), step: .read, code: .notFound),
        Case(status: 404, code: .notFound, word: "licence"),
        Case(status: 429, headers: ["Retry-After": "12"], code: .throttled, retryAfter: .seconds(12)),
        Case(
            status: 429,
            headers: ["Retry-After": "2.128"],
            step: .read,
            code: .throttled,
            retryAfter: .milliseconds(2128)
        ),
        Case(status: 429, body: plain("TooManyRequests", "An error has occurred."), step: .read, code: .throttled),
        Case(
            status: 429,
            body: nested("Too many requests.", code: "TooManyRequests", retryAfter: "37"),
            code: .throttled,
            retryAfter: .seconds(37)
        ),
        Case(
            status: 429,
            body: nested("Too many requests.", code: "TooManyRequests", retryAfter: #"\"41\""#),
            code: .throttled,
            retryAfter: .seconds(41)
        ),
        Case(status: 500, body: plain("InternalServerError", broker), code: .throttled, word: "asks to wait"),
        Case(status: 500, body: nested(broker, code: "UnknownError"), step: .read, code: .throttled),
        Case(status: 500, body: plain("InternalServerError", "Oops."), code: .ambiguous),
        Case(status: 500, step: .read, code: .transient),
        Case(status: 503, headers: ["Retry-After": "3"], code: .throttled, retryAfter: .seconds(3)),
        Case(status: 302, code: .permanent, word: "redirection"),
        Case(status: 404, headers: ["x-ms-error-code": "BlobNotFound"], step: .storage, code: .gone),
        Case(status: 500, body: plain("InternalError", broker), step: .storage, code: .transient),
        Case(status: 503, step: .storage, code: .transient),
    ]

    @Test("what each answer means", arguments: cases)
    func meaning(_ test: Case) {
        let error = IntuneFailure.error(answer(test.status, test.headers, body: test.body), during: test.step)
        #expect(error.code == test.code)
        #expect(error.retryAfter == test.retryAfter)
        #expect(error.detail.contains(test.word), "\(error.detail)")
        #expect(error.faults.map(\.pointer) == (test.pointer.map { [$0] } ?? []))
        #expect(error.upstream?.status == test.status)
    }

    @Test("a message that is JSON is read, with its activity id and without its link's query")
    func nestedMessage() {
        let body = Self.nested(
            "Application is not authorized. - Activity ID: 11111111-2222-4333-8444-555555555555 - Url: https://fef.x.example/a?sig=canary"
        )
        let upstream = IntuneFailure.error(answer(403, body: body), during: .start).upstream
        #expect(upstream?.code == "Forbidden")
        #expect(upstream?.requestId == "r-1")
        #expect(upstream?.message?.hasPrefix("Application is not authorized.") == true)
        #expect(upstream?.message?.contains("11111111-2222-4333-8444-555555555555") == true)
        #expect(upstream?.message?.contains("canary") == false)
        #expect(upstream?.message?.contains("_version") == false)
    }

    @Test("a refusal because of too many jobs is tried again, by its code")
    func busy() {
        let body = Self.plain("activityLimitReached", "Too much.")
        #expect(IntuneFailure.error(answer(403, body: body), during: .start).problem == .upstreamBusy)
    }
}
