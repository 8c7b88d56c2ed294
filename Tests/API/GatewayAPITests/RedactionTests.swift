import CallerIdentity
import Exports
import HTTPTypes
import InMemoryLogging
import JSON
import Logging
import SystemCrypto
import Synchronization
import Telemetry
import TestTokens
import Testing

@testable import GatewayAPI

/// A secret in every place of a request: it must come out nowhere.
@Suite(.timeLimit(.minutes(5))) struct RedactionTests {
    /// A request with the canary somewhere.
    private struct Place {
        var name: String
        var method = HTTPRequest.Method.get
        var target = "/exports"
        var headers: HTTPFields = [:]
        var body: String?
        /// Whether the answer repeats it: an address that the client wrote itself is part of what is wrong with it.
        var isRepeated = false
    }

    private static let canary = "cAnArY-0123456789"
    private static let key = "canary-key-of-an-auditor-cAnArY-0123456789"

    private static func places() throws -> [Place] {
        let id = "01981f3e-7c1a-7b52-9d3e-0242ac120002"
        let good: HTTPFields = [.authorization: "Bearer \(key)"]
        func field(_ name: String, _ value: String, on target: String = "/exports/\(id)") throws -> Place {
            var headers = good
            let field = try #require(HTTPField.Name(name))
            headers[field] = value
            return Place(name: "\(name) on \(target)", target: target, headers: headers)
        }
        func token(_ name: String, _ token: String) -> Place {
            Place(name: name, headers: [.authorization: "Bearer \(token)"])
        }
        var places = [
            Place(name: "the API key", headers: good),
            token("a wrong API key", canary),
            token("a token that is none", "\(canary).\(canary).\(canary)"),
            token("a claim", try TokenDraft.user().with("name", .string(canary)).signed()),
            token("a claim of a bad token", try TokenDraft.user().with("aud", .string(canary)).signed()),
            token("a scope", try TokenDraft.user(canary).signed()),
            token("a key's name", try TokenDraft.user().withHeader("kid", .string(canary)).signed()),
            token("the tenant", try TokenDraft.user().with("tid", .string(canary)).signed()),
            Place(name: "Basic", headers: [.authorization: "Basic \(canary)"]),
            Place(name: "no scheme", headers: [.authorization: canary]),
            Place(name: "a path", target: "/\(canary)", headers: good, isRepeated: true),
            Place(name: "an id", target: "/exports/\(canary)", headers: good, isRepeated: true),
            Place(name: "a file id", target: "/exports/\(id)/files/\(canary)", headers: good, isRepeated: true),
            Place(name: "a provider", target: "/providers/\(canary)", headers: good, isRepeated: true),
            Place(name: "a parameter's name", target: "/exports?\(canary)=1", headers: good, isRepeated: true),
            Place(name: "a path without a key", target: "/exports/\(canary)", isRepeated: true),
        ]
        for name in ["provider", "status", "connection", "createdAfter", "createdBefore", "limit", "cursor", "sig"] {
            places.append(Place(name: "query \(name)", target: "/exports?\(name)=\(canary)", headers: good))
        }
        for target in ["/exports", "/exports/\(id)", "/exports/\(id)/content", "/providers", "/metrics", "/nowhere"] {
            for name in [
                "Cookie", "Proxy-Authorization", "X-Api-Key", "User-Agent", "Referer", "Accept", "Accept-Encoding",
                "Accept-Language", "If-None-Match", "If-Match", "If-Range", "Range", "Prefer", "Cache-Control", "TE",
                "Upstream-Authorization", "Upstream-Download-Authorization", "Traceparent", "Forwarded",
                "X-Forwarded-For", "Ocp-Apim-Subscription-Key",
            ] {
                places.append(try field(name, canary, on: target))
            }
            for name in ["Upstream-Authorization", "Upstream-Download-Authorization"] {
                places.append(try field(name, "Bearer \(canary)", on: target))
            }
            places.append(try field("X-Request-Id", "\(canary) and more", on: target))
            places.append(try field(canary, "1", on: target))
        }
        var create = good
        create[.contentType] = "application/json"
        func body(_ name: String, _ text: String, isRepeated: Bool = false) -> Place {
            Place(name: name, method: .post, headers: create, body: text, isRepeated: isRepeated)
        }
        places += [
            body("text in place of JSON", canary), body("broken JSON", "{\"provider\":\"\(canary)"),
            body("a member's name", "{\"\(canary)\":1}", isRepeated: true),
            body("a provider's name", "{\"provider\":\"\(canary)\"}"),
            body("a connection", "{\"provider\":\"power-bi\",\"connection\":\"\(canary)\",\"powerBI\":[]}"),
            body("an option of a wrong kind", "{\"provider\":\"power-bi\",\"powerBI\":\"\(canary)\"}"),
            body("a member that is there twice", "{\"name\":\"\(canary)\",\"name\":\"\(canary)\"}"),
        ]
        for name in ["Idempotency-Key", "Content-Type", "Content-Encoding", "Expect"] {
            var headers = create
            let field = try #require(HTTPField.Name(name))
            headers[field] = canary
            places.append(Place(name: name, method: .post, headers: headers, body: "{}"))
        }
        return places
    }

    @Test func aSecretComesOutNowhere() async throws {
        var handler = InMemoryLogHandler()
        handler.logLevel = .trace
        let (log, authority) = (handler, try TestAuthority())
        let gateway = TestGateway(logger: Logger(label: "tests") { _ in log }) {
            $0.apiKeys = [
                APIKey(id: "auditor", sha256: SHA256.hash(Array(Self.key.utf8)), permissions: .everything)
            ]
            $0.tokenAuthority = authority.settings()
        }
        let places = try Self.places()
        var hits: [String] = []
        for place in places {
            let answer = try await gateway.call(place.method, place.target, headers: place.headers, body: place.body)
            let fields = answer.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
            if !place.isRepeated, answer.body.contains(Self.canary) { hits.append("\(place.name): the body") }
            if fields.contains(Self.canary) { hits.append("\(place.name): the fields") }
            let lines = log.entries.map { "\($0.message) \($0.metadata) \(String(describing: $0.error))" }
                .joined(separator: "\n")
            if lines.contains(Self.canary) || lines.contains("eyJ") { hits.append("\(place.name): the log") }
            log.clear()
            if gateway.registry.text().contains(Self.canary) { hits.append("\(place.name): the metrics") }
        }
        print("canary: \(places.count) places planted, \(hits.count) hits")
        #expect(hits.isEmpty, "\(hits)")
        #expect(places.count > 150)
    }

    /// What is no request comes out nowhere either.
    @Test func bytesThatAreNoRequestAreNotRepeated() async throws {
        var handler = InMemoryLogHandler()
        handler.logLevel = .trace
        let log = handler
        let gateway = TestGateway(time: SystemTime(), logger: Logger(label: "tests") { _ in log })
        let canary = Self.canary
        try await gateway.live { server in
            for bytes in [
                "\(canary)\r\n\r\n", "GET /\(canary) HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost: \(canary) x\r\n\r\n",
                "GET / HTTP/1.1\r\nhost: x\r\n\(canary)\r\n\r\n",
                "GET / HTTP/1.1\r\nhost: x\r\nx: \(String(repeating: canary, count: 10_000))\r\n\r\n",
            ] {
                try await server.connect { client in
                    try await client.send(bytes)
                    let answer = try await client.readToEnd()
                    #expect(answer.hasPrefix("HTTP/1.1 4"))
                    #expect(!answer.contains(canary))
                }
            }
        }
        #expect(!log.entries.map { "\($0.message) \($0.metadata)" }.joined().contains(canary))
    }
}
