import Exports
import ManualClock
import NIOCore
import ScriptedHost
import TestSupport
import Testing
import WebhookTransport
import Webhooks

/// What is sent to a receiver, and over which connection.
@Suite(.timeLimit(.minutes(2))) struct SendTests {
    @Test func theRequestIsWholeAndTheHostIsThatOfTheURL() async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(202, body: "thank you")] }
        let fields = [
            ("content-type", "application/cloudevents+json"), ("webhook-id", "m1"), ("Host", "other.example"),
            ("Content-Length", "9"), ("connection", "keep-alive"), ("transfer-encoding", "chunked"),
        ]
        let request = bench.request(bench.url("/in/a%20b?c=%2F&d"), fields: fields)
        #expect(await bench.outcome(request) == .success(WebhookAnswer(status: 202, retryAfter: nil)))
        let call = try #require(bench.server.calls.first)
        let lines = call.head.split(separator: "\r\n").map(String.init)
        #expect(
            lines == [
                "POST /in/a%20b?c=%2F&d HTTP/1.1", "host: receiver.test:\(bench.server.port)",
                "content-type: application/cloudevents+json", "webhook-id: m1", "content-length: 2",
                "connection: close",
            ]
        )
        #expect(call.body == "{}")
        #expect(bench.resolver.questions.all == ["receiver.test"])
        await bench.server.log.closings.reach(1)
        try await bench.server.stop()
    }

    @Test func eachRequestHasAConnectionAndALookupOfItsOwn() async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(200)] }
        for _ in 0..<3 { #expect(await bench.outcome() == .success(WebhookAnswer(status: 200, retryAfter: nil))) }
        await bench.server.log.closings.reach(3)
        #expect(bench.server.log.closings.all.map(\.count) == [1, 1, 1])
        #expect(bench.resolver.questions.all.count == 3)
        try await bench.server.stop()
    }

    @Test func theCertificateIsForTheNameAndTheHandshakeNamesIt() async throws {
        let bench = try await ReceiverBench.start(certificate: "DNS:receiver.test") { _, _ in [RawServer.answer(204)] }
        #expect(await bench.outcome() == .success(WebhookAnswer(status: 204, retryAfter: nil)))
        #expect(bench.serverNames.all == ["receiver.test"])
        #expect(bench.server.calls.first?.headers["host"] == "receiver.test:\(bench.server.port)")
        try await bench.server.stop()
    }

    @Test func aCertificateForAnAddressIsForURLsWithThatAddress() async throws {
        let bench = try await ReceiverBench.start(certificate: "IP:127.0.0.1") { _, _ in [RawServer.answer(204)] }
        let url = bench.url(host: "127.0.0.1")
        #expect(await bench.outcome(bench.request(url)) == .success(WebhookAnswer(status: 204, retryAfter: nil)))
        #expect(bench.resolver.questions.all.isEmpty)
        // The name leads to the address, but the certificate is not for the name.
        #expect(await bench.outcome() == .failure(.tlsFailed))
        #expect(bench.server.calls.count == 1)
        try await bench.server.stop()
    }

    @Test(arguments: ["DNS:other.test", "DNS:*.receiver.test", "DNS:test"])
    func aCertificateForAnotherNameEndsBeforeTheRequest(name: String) async throws {
        let bench = try await ReceiverBench.start(certificate: name) { _, _ in [RawServer.answer(204)] }
        #expect(await bench.outcome() == .failure(.tlsFailed))
        await bench.server.log.closings.reach(1)
        #expect(bench.server.calls.isEmpty)
        try await bench.server.stop()
    }

    @Test func anUnknownAuthorityIsNotTrusted() async throws {
        let bench = try await ReceiverBench.start(certificate: "DNS:receiver.test", isTrusted: false) { _, _ in
            [RawServer.answer(204)]
        }
        #expect(await bench.outcome() == .failure(.tlsFailed))
        await bench.server.log.closings.reach(1)
        #expect(bench.server.calls.isEmpty)
        try await bench.server.stop()
    }

    @Test func aReceiverWithoutTLSGetsNoRequestByHTTPS() async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(204)] }
        let url = "https://receiver.test:\(bench.server.port)/"
        let sending = Task { await bench.outcome(bench.request(url)) }
        // The receiver waits for the end of what it takes for a head.
        await bench.time.deadlines(atLeast: 1)
        bench.time.advance(by: .seconds(20))
        let outcome = await sending.value
        #expect(outcome == .failure(.timeout) || outcome == .failure(.tlsFailed))
        #expect(bench.server.calls.isEmpty)
        try await bench.server.stop()
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func aRedirectIsTheAnswer(status: Int) async throws {
        let other = try await RawServer.start { _, _ in [RawServer.answer(200)] }
        let bench = try await ReceiverBench.start { _, _ in
            [RawServer.answer(status, ["Location: http://127.0.0.1:\(other.port)/"])]
        }
        #expect(await bench.outcome() == .success(WebhookAnswer(status: status, retryAfter: nil)))
        #expect(bench.server.calls.count == 1)
        #expect(other.calls.isEmpty)
        try await bench.server.stop()
        try await other.stop()
    }

    @Test func anAddressThatRefusesIsFollowedByTheNext() async throws {
        let server = try await RawServer.start { _, _ in [RawServer.answer(200)] }
        var settings = WebhookTransportSettings()
        settings.allowedHosts = Set([WebhookHost("receiver.test")].compactMap(\.self))
        settings.allowsHTTP = true
        // The server listens on the first address only.
        let answers = [["::1", "127.0.0.1"], ["127.0.0.1"], ["::1"]]
        let expected: [Result<WebhookAnswer, WebhookSendFailure>] = [
            .success(WebhookAnswer(status: 200, retryAfter: nil)),
            .success(WebhookAnswer(status: 200, retryAfter: nil)),
            .failure(.connectionFailed),
        ]
        let transport = try WebhookTransport(
            settings: settings,
            resolver: ScriptedResolver(answers),
            time: ManualTime()
        )
        for outcome in expected {
            let request = WebhookRequest(url: "http://receiver.test:\(server.port)/", fields: [], body: [])
            let result = await Result { try await transport.send(request) }
            #expect(result.mapError { $0 as? WebhookSendFailure ?? .timeout } == outcome)
        }
        try await server.stop()
    }

    @Test func aFieldThatWouldBeTwoIsNotSent() async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(200)] }
        let request = bench.request(fields: [("webhook-id", "m\r\nhost: other.example")])
        #expect(await bench.outcome(request) == .failure(.brokenAnswer))
        await bench.server.log.closings.reach(1)
        #expect(bench.server.calls.isEmpty)
        try await bench.server.stop()
    }
}

extension Result where Failure == any Error {
    init(_ work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}
