import Exports
import JSON
import Testing
import UpstreamHTTP

@testable import GraphEDiscovery

@Suite struct FailureTests {
    private static func answer(
        _ status: Int,
        _ json: JSONValue? = nil,
        headers: [(name: String, value: String)] = []
    ) -> UpstreamResponse {
        UpstreamResponse(
            status: status,
            headers: UpstreamHeaders(headers),
            body: json.map { Array($0.encoded()) } ?? [],
            receivedAt: Timestamp(milliseconds: 1_780_000_000_000)
        )
    }

    /// Status, and what it means for a start and for a read.
    private static let table: [(Int, ProviderError.Code, ProviderError.Code)] = [
        (302, .permanent, .permanent), (400, .invalid, .permanent), (401, .unauthenticated, .unauthenticated),
        (402, .forbidden, .forbidden), (403, .forbidden, .forbidden), (404, .notFound, .notFound),
        (405, .permanent, .permanent), (406, .permanent, .permanent), (408, .transient, .transient),
        (409, .conflict, .transient), (410, .notFound, .gone), (412, .permanent, .permanent),
        (413, .invalid, .permanent),
        (425, .transient, .transient),
        (423, .transient, .transient), (429, .throttled, .throttled), (500, .ambiguous, .transient),
        (501, .ambiguous, .transient), (502, .ambiguous, .transient), (503, .ambiguous, .transient),
        (504, .ambiguous, .transient), (507, .ambiguous, .transient), (509, .ambiguous, .throttled),
    ]

    @Test(arguments: table)
    func eachStatusHasItsMeaning(status: Int, start: ProviderError.Code, read: ProviderError.Code) {
        #expect(GraphEDiscoveryFailure.error(Self.answer(status), in: .start).code == start)
        #expect(GraphEDiscoveryFailure.error(Self.answer(status), in: .read).code == read)
    }

    @Test(arguments: [("2.128", Duration.milliseconds(2128)), ("0.2", .milliseconds(200)), ("120", .seconds(120))])
    func theWaitIsTaken(header: String, wait: Duration) {
        for status in [429, 503] {
            let error = GraphEDiscoveryFailure.error(
                Self.answer(status, headers: [("Retry-After", header)]),
                in: .start
            )
            #expect(error.code == .throttled)
            #expect(error.retryAfter == wait)
        }
    }

    @Test func theDeepestCodeThatIsANameIsTaken() {
        let nested: JSONValue = [
            "error": [
                "code": "Outer", "message": "m",
                "innererror": [
                    "code": "Middle", "request-id": "r-1",
                    "InnerError": ["code": "Deepest", "innerError": ["code": "429", "status": "429"]],
                ],
            ]
        ]
        let info = Self.answer(429, nested).errorInfo
        #expect(info.code == "Deepest")
        #expect(info.requestId == "r-1")
        let headed = Self.answer(429, nested, headers: [("Request-Id", "r-2")]).errorInfo
        #expect(headed.requestId == "r-2")
    }

    @Test(arguments: [
        ("", nil), ("plain", "plain"),
        (#"{"Message":"No HTTP resource was found"}"#, "No HTTP resource was found"),
        (#"{"error":{"code":"x","message":"inside"}}"#, "inside"),
        (#"{"other":1}"#, #"{"other":1}"#), ("{not json", "{not json"),
    ])
    func aMessageCanBeEmptyOrJSONItself(message: String, shown: String?) {
        let info = Self.answer(400, ["error": ["code": "UnknownError", "message": .string(message)]]).errorInfo
        #expect(info.message == shown)
        #expect(info.code == "UnknownError")
    }

    @Test(arguments: [
        ("see https://h.example/p?sv=1&sig=abc for it", "see https://h.example/p?<redacted> for it"),
        ("token sv=1&sig=abc was refused", "token <redacted> was refused"),
        ("nothing to hide?", "nothing to hide?"),
        ("line\nhttps://h.example/p?sig=abc", "line https://h.example/p?<redacted>"),
    ])
    func nothingThatSignsIsRepeated(text: String, shown: String) {
        let error: JSONValue = ["error": ["code": "BadRequest", "message": .string(text)]]
        #expect(Self.answer(400, error).errorInfo.message == shown)
    }

    @Test func bodiesThatAreNoErrorsTellNothingButTheirStatus() {
        for json in [nil, [1, 2], ["error": ["code": 5]], ["other": "text"]] as [JSONValue?] {
            let info = Self.answer(500, json).errorInfo
            #expect(info.status == 500)
            #expect(info.code == nil)
            #expect(info.message == nil)
        }
    }
}
