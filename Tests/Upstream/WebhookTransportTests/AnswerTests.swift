import Exports
import ManualClock
import NIOCore
import ScriptedHost
import Synchronization
import TestSupport
import Testing
import WebhookTransport
import Webhooks

/// What a receiver answers, and what it may not do with it.
@Suite(.timeLimit(.minutes(2))) struct AnswerTests {
    static let waits: [(String, Duration?)] = [
        ("120", .seconds(120)), ("0", .zero), ("1.5", .milliseconds(1500)), ("999999999", .seconds(86_400)),
        // The clock of the test shows 2026-05-28T20:26:40Z.
        ("Thu, 28 May 2026 20:27:40 GMT", .seconds(60)), ("Thu, 28 May 2026 20:00:00 GMT", .zero),
        ("Thursday, 28-May-26 20:27:40 GMT", .seconds(60)), ("soon", nil), ("", nil), ("-5", nil),
    ]

    @Test(arguments: waits)
    func retryAfterIsSecondsOrADate(text: String, wait: Duration?) async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(503, ["Retry-After: \(text)"])] }
        #expect(await bench.outcome() == .success(WebhookAnswer(status: 503, retryAfter: wait)))
        try await bench.server.stop()
    }

    static let whole: [([RawServer.Step], Int)] = [
        ([.text("HTTP/1.1 200 OK\r\n\r\nuntil the end"), .close], 200),
        ([.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")], 200),
        (
            [.text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n")],
            204
        ),
        ([.text("HTTP/1.0 410 Gone\r\nContent-Length: 0\r\n\r\n")], 410),
        ([.text("HTTP/1.1 304 -\r\nContent-Length: 5\r\n\r\n")], 304),
        ([RawServer.answer(599)], 599),
    ]

    @Test(arguments: whole)
    func aWholeAnswer(steps: [RawServer.Step], status: Int) async throws {
        let bench = try await ReceiverBench.start { _, _ in steps }
        #expect(await bench.outcome() == .success(WebhookAnswer(status: status, retryAfter: nil)))
        await bench.server.log.closings.reach(1)
        try await bench.server.stop()
    }

    static let broken: [[RawServer.Step]] = [
        [.close], [.text("HTTP/1.1 200"), .close], [.text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), .close],
        [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), .close],
        [.text("SSH-2.0-server\r\n")],
        [.text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef")],
        [.text("HTTP/1.1 101 -\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n")],
        [.text("HTTP/1.1 200 OK\r\na b: c\r\n\r\n")],
        [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")], [.text("HTTP/2.0 200 OK\r\n\r\n")],
    ]

    @Test(arguments: broken)
    func aBrokenAnswer(steps: [RawServer.Step]) async throws {
        let bench = try await ReceiverBench.start { _, _ in steps }
        #expect(await bench.outcome() == .failure(.brokenAnswer))
        await bench.server.log.closings.reach(1)
        try await bench.server.stop()
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", 200), ("HTTP/1.1 500 -\r\n\r\n", 500),
    ])
    func aLongBodyIsNotReadToItsEnd(head: String, status: Int) async throws {
        let size = 100_000_000
        let bench = try await ReceiverBench.start { _, _ in [.text(head), .flood(size)] }
        #expect(await bench.outcome() == .success(WebhookAnswer(status: status, retryAfter: nil)))
        await bench.server.log.closings.reach(1)
        #expect(bench.server.log.flooded.all.reduce(0, +) < size)
        try await bench.server.stop()
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 ", "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\nx: ",
    ])
    func anEndlessHeadFails(beginning: String) async throws {
        let size = 100_000_000
        let bench = try await ReceiverBench.start { _, _ in [.text(beginning), .flood(size)] }
        #expect(await bench.outcome() == .failure(.brokenAnswer))
        await bench.server.log.closings.reach(1)
        #expect(bench.server.log.flooded.all.reduce(0, +) < size)
        try await bench.server.stop()
    }

    @Test func endlessHeadsOfOneHundredFail() async throws {
        let heads = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 10_000)
        let bench = try await ReceiverBench.start { _, _ in [.text(heads)] }
        #expect(await bench.outcome() == .failure(.brokenAnswer))
        try await bench.server.stop()
    }

    static let slow: [[RawServer.Step]] = [
        [], [.text("HTTP/1.1 200 OK\r\n")], [.text("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), .drip],
        [.text("HTTP/1.1 200 OK\r\nx: "), .drip], [.text("HTTP/1.1 100 Continue\r\n\r\n")],
    ]

    @Test(arguments: slow, [nil, "DNS:receiver.test"])
    func anAnswerThatTakesTooLongEndsAtTheTimeLimit(steps: [RawServer.Step], certificate: String?) async throws {
        let bench = try await ReceiverBench.start(certificate: certificate) { _, _ in steps }
        let sending = Task { await bench.outcome() }
        await bench.server.log.calls.reach(1)
        await bench.time.deadlines(atLeast: 1)
        bench.time.advance(by: .seconds(20) - .milliseconds(1))
        #expect(bench.time.deadlineCount == 1)
        bench.time.advance(by: .milliseconds(1))
        #expect(await sending.value == .failure(.timeout))
        await bench.server.log.closings.reach(1)
        try await bench.server.stop()
    }

    @Test(arguments: [nil, "DNS:receiver.test"])
    func aCancelledRequestEndsSoon(certificate: String?) async throws {
        let bench = try await ReceiverBench.start(certificate: certificate, deadlines: .neverEnd) { _, _ in [] }
        let sending = Task { await bench.outcome() }
        await bench.server.log.calls.reach(1)
        sending.cancel()
        #expect(await sending.value == .failure(.timeout))
        await bench.server.log.closings.reach(1)
        #expect(bench.time.deadlineCount == 0)
        try await bench.server.stop()
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        let bench = try await ReceiverBench.start { _, _ in [RawServer.answer(200)] }
        let begin = Events<Void>()
        let sending = Task {
            await begin.reach(1)
            return await bench.outcome()
        }
        sending.cancel()
        begin.add(())
        #expect(await sending.value == .failure(.timeout))
        try await bench.server.stop()
    }

    @Test func aResolverThatDoesNotAnswerIsWithinTheTimeLimit() async throws {
        let time = ManualTime()
        let transport = try WebhookTransport(settings: .init(), resolver: SilentResolver(), time: time)
        let request = WebhookRequest(url: "https://hooks.example.com/", fields: [], body: [])
        let sending = Task { await Result { try await transport.send(request) } }
        await time.deadlines(atLeast: 1)
        time.advance(by: .seconds(20))
        #expect(await sending.value.mapError { $0 as? WebhookSendFailure ?? .brokenAnswer } == .failure(.timeout))
    }
}
