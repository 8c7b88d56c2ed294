import Exports
import JSON
import Synchronization
import HTTPTypes
import Testing

@testable import GatewayAPI

@Suite struct CreateExportTests {
    static let body = """
        {"provider": "power-bi", "name": "Sales", "powerBI": {"reportId": "5b218778", "format": "PDF"}}
        """

    @Test func answersWithTheExportAndWhereItIs() async throws {
        let gateway = TestGateway()
        let answer = try await gateway.create(Self.body)
        #expect(answer.status == 202)
        let id = try #require(answer.json["id"]?.string)
        #expect(answer.headers[.location] == "exports/\(id)")
        #expect(answer.headers[.operationLocation] == nil)
        #expect(answer.headers[.retryAfter] == "3")
        #expect(answer.headers[.eTag] == "W/\"\(id).1\"")
        #expect(answer.headers[.cacheControl] == "private, no-cache")
        #expect(answer.headers[.idempotencyReplayed] == nil)
        #expect(answer.json["href"]?.string == "exports/\(id)")
        #expect(answer.json["status"]?.string == "notStarted")
        #expect(answer.json["createdBy"]?.string == "anonymous")
        #expect(answer.json["createdAt"]?.string == "2026-05-28T20:26:40.000Z")
        #expect(answer.json["source"] == ["format": "PDF", "reportId": "5b218778"])
        #expect(answer.json["files"] == [])
        #expect(answer.body.hasPrefix("{\"id\":\"\(id)\",\"href\":"))
        #expect(!answer.body.contains("null") && !answer.body.contains("revision") && !answer.body.contains("stale"))
        let draft = try #require(gateway.service.state.withLock { $0.drafts.last })
        #expect(draft.provider == ProviderID("power-bi"))
        #expect(draft.name == "Sales")
        #expect(draft.connection == nil)
        #expect(draft.idempotency == nil)
        let viewer = try #require(gateway.service.state.withLock { $0.creators.last })
        let requestID = try #require(answer.headers[.requestID])
        #expect(viewer == Viewer(.anonymous, token: nil, downloadToken: nil, requestID: requestID))
    }

    @Test func linksAreAbsoluteWhereTheAddressIsConfigured() async throws {
        let gateway = TestGateway { $0.publicURL = "https://exports.contoso.com/" }
        let answer = try await gateway.create(Self.body)
        let id = try #require(answer.json["id"]?.string)
        #expect(answer.headers[.location] == "https://exports.contoso.com/exports/\(id)")
        #expect(answer.json["href"]?.string == "https://exports.contoso.com/exports/\(id)")
        #expect(answer.headers[.operationLocation] == "https://exports.contoso.com/exports/\(id)/operation")
    }

    @Test func replaysUnderTheSameKey() async throws {
        let gateway = TestGateway()
        let first = try await gateway.create(Self.body, headers: [.idempotencyKey: "\"key 1\""])
        let spelledOtherwise = """
            { "powerBI" : {"format":"PDF","reportId":"5b218778"}, "name":"S\\u0061les", "provider":"power-bi" }
            """
        let second = try await gateway.create(spelledOtherwise, headers: [.idempotencyKey: "\"key 1\""])
        #expect(second.status == 202)
        #expect(second.json["id"] == first.json["id"])
        #expect(second.headers[.idempotencyReplayed] == "true")
        let other = try await gateway.create(
            Self.body.replacing("PDF", with: "PPTX"),
            headers: [.idempotencyKey: "\"key 1\""]
        )
        #expect(other.status == 422)
        #expect(other.code == "idempotency-key-reused")
        let bare = try await gateway.create(Self.body, headers: [.idempotencyKey: "key-2"])
        #expect(bare.status == 202)
        #expect(bare.json["id"] != first.json["id"])
    }

    @Test(arguments: [
        "\"\"", "", "a b", "\"a", "\"a\"b\"", "\"\\\\\"", "\"é\"", String(repeating: "k", count: 129),
        "\"" + String(repeating: "k", count: 129) + "\"", "a,b",
    ])
    func refusesKeysThatAreNone(key: String) async throws {
        let answer = try await TestGateway().create(Self.body, headers: [.idempotencyKey: key])
        #expect(answer.status == 400)
        #expect(answer.json["parameter"]?.string == "Idempotency-Key")
    }

    @Test func keepsTheCallersTokenToItself() async throws {
        let gateway = TestGateway()
        let answer = try await gateway.create(Self.body, headers: [.upstreamAuthorization: "Bearer abc.def-_~+/=="])
        #expect(answer.status == 202)
        let viewer = try #require(gateway.service.state.withLock { $0.creators.last })
        #expect(viewer.token?.reveal() == "abc.def-_~+/==")
        let longest = String(repeating: "x", count: 16_384)
        #expect(
            try await gateway.create(Self.body, headers: [.upstreamAuthorization: "Bearer \(longest)"]).status == 202
        )
        for wrong in ["abc", "Basic abc", "Bearer ", "Bearer a b", "Bearer =", "Bearer a=b", "Bearer \(longest)x"] {
            let refused = try await gateway.create(Self.body, headers: [.upstreamAuthorization: wrong])
            #expect(refused.status == 400)
            #expect(refused.json["parameter"]?.string == "Upstream-Authorization")
            #expect(wrong == "Bearer " || !refused.body.contains(wrong.dropFirst(7)) || wrong.count < 12)
        }
    }

    @Test(
        arguments: [
            (nil, 415), ("text/plain", 415), ("application/json; charset=utf-16", 415), ("application/jsonx", 415),
            ("application/json", 202), ("Application/JSON; charset=\"UTF-8\"", 202),
        ] as [(String?, Int)]
    )
    func wantsJSON(type: String?, status: Int) async throws {
        var headers: HTTPFields = [:]
        headers[.contentType] = type
        let answer = try await TestGateway().call(.post, "/exports", headers: headers, body: Self.body)
        #expect(answer.status == status)
        if status == 415 { #expect(answer.headers[.acceptPost] == "application/json") }
    }

    @Test func wantsJSONAsItIs() async throws {
        let answer = try await TestGateway().create(Self.body, headers: [.contentEncoding: "gzip"])
        #expect(answer.status == 415)
    }

    @Test(arguments: [
        "", "{", "nonsense", "{\"a\": 1, \"a\": 2}", "{\"provider\": \"power-bi\"} x", "{'a': 1}",
        "{\"powerBI\": {\"format\": \"PDF\", \"format\": \"PNG\"}}", String(repeating: "[", count: 5_000),
        "{\"a\": \"\\ud800\"}", "{\"a\": 01}", "{\"a\": 1e999}", "{\"a\": \"\u{1}\"}",
    ])
    func refusesWhatIsNotJSON(body: String) async throws {
        let answer = try await TestGateway().create(body)
        #expect(answer.status == 400)
        #expect(answer.code == "malformed-request")
    }

    @Test(arguments: [
        ("[]", [": must be an object, not an array", "/provider: is required"]),
        ("{}", ["/provider: is required"]),
        (
            "{\"provider\": \"power-bo\", \"powerBI\": {}}",
            ["/provider: must be one of graph-ediscovery, viva-goals, power-bi; did you mean \"power-bi\"?"]
        ),
        ("{\"provider\": \"power-bi\"}", ["/powerBI: is required for provider power-bi"]),
        (
            "{\"provider\": \"power-bi\", \"vivaGoals\": {}}",
            ["/vivaGoals: belongs to provider viva-goals; provider power-bi needs powerBI"]
        ),
        (
            "{\"provider\": \"power-bi\", \"vivaGoals\": {}, \"powerBI\": {}}",
            ["/powerBI: stands beside vivaGoals; give exactly one of graphEDiscovery, vivaGoals, powerBI"]
        ),
        ("{\"provider\": \"power-bi\", \"powerBI\": []}", ["/powerBI: must be an object"]),
        ("{\"provider\": \"power-bi\", \"powerBI\": null}", ["/powerBI: must not be null; leave it out instead"]),
        (
            "{\"provider\": \"power-bi\", \"powerBI\": {}, \"name\": \"a\\nb\"}",
            ["/name: must not hold control characters"]
        ),
        ("{\"provider\": \"power-bi\", \"powerBI\": {}, \"name\": \"\"}", ["/name: must not be empty"]),
        ("{\"provider\": 1, \"powerBI\": {}}", ["/provider: must be a string, not an integer"]),
    ])
    func namesEveryFault(body: String, faults: [String]) async throws {
        let answer = try await TestGateway().create(body)
        #expect(answer.status == 422)
        #expect(answer.code == "invalid-export")
        #expect(answer.faults == faults)
    }

    @Test func suggestsTheMemberThatWasMeant() async throws {
        let answer = try await TestGateway().create("{\"provider\": \"power-bi\", \"powerBi\": {}, \"powerBI\": {}}")
        #expect(answer.status == 422)
        #expect(answer.faults.count == 1)
        #expect(answer.faults.first?.hasPrefix("/powerBi: is not a member here; did you mean \"powerBI\"?") == true)
    }

    @Test func refusesLongBodies() async throws {
        let gateway = TestGateway { $0.maxBodyBytes = 100 }
        let answer = try await gateway.create(Self.body + String(repeating: " ", count: 100))
        #expect(answer.status == 413)
        #expect(answer.code == "content-too-large")
    }

    @Test func passesOnWhatTheServiceSays() async throws {
        let gateway = TestGateway()
        gateway.service.state.withLock {
            $0.failure = GatewayError(.unavailable, "Later.", retryAfter: .milliseconds(1500))
        }
        let answer = try await gateway.create(Self.body)
        #expect(answer.status == 503)
        #expect(answer.headers[.retryAfter] == "2")
    }
}
