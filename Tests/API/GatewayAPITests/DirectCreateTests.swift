import Exports
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization
import Telemetry
import Testing

@testable import GatewayAPI

/// Create requests that are answered on the event loop.
@Suite struct DirectCreateTests {
    private static let json = "content-type: application/json"

    private func create(
        _ connection: DirectConnection,
        _ lines: [String] = [json],
        body: String = CreateExportTests.body
    ) throws {
        try connection.ask("POST", "/exports", lines + ["content-length: \(body.utf8.count)"], body: body)
    }

    private func drafts(_ connection: DirectConnection) -> [ExportDraft] {
        connection.gateway.service.state.withLock { $0.drafts }
    }

    @Test func aShortRequestIsAnsweredHere() throws {
        let connection = try DirectConnection()
        try create(connection, [Self.json, "idempotency-key: \"k\"", "x-request-id: r-1"])
        connection.run()
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 202 Accepted\r\n"))
        #expect(sent.contains("\r\nX-Request-Id: r-1\r\n"))
        let id = try #require(sent.firstMatch(of: /Location: exports\/([0-9a-f-]{36})\r\n/)?.1)
        #expect(sent.contains("{\"id\":\"\(id)\""))
        #expect(try connection.passed().isEmpty)
        let draft = try #require(drafts(connection).first)
        #expect(draft.name == "Sales")
        #expect(draft.idempotency?.key == "k")
        // The connection goes on.
        try connection.ask()
        #expect(try connection.statuses() == [200])
    }

    @Test func whatIsRefusedIsPassedOnWhole() throws {
        let others: [([String], String)] = [
            ([], CreateExportTests.body), (["content-type: text/plain"], CreateExportTests.body),
            ([Self.json, "content-encoding: gzip"], CreateExportTests.body), ([Self.json], "{"),
            ([Self.json], "{\"provider\": \"none\"}"), ([Self.json, "idempotency-key: a b"], CreateExportTests.body),
            ([Self.json, "accept: text/html"], CreateExportTests.body),
            ([Self.json, "upstream-authorization: Bearer x"], CreateExportTests.body),
            ([Self.json, "expect: 100-continue"], CreateExportTests.body),
            ([Self.json], CreateExportTests.body + String(repeating: " ", count: 4096)),
        ]
        for (lines, body) in others {
            let connection = try DirectConnection()
            try create(connection, lines, body: body)
            connection.run()
            let passed = try connection.passed()
            let bytes = passed.reduce(0) { count, part in
                guard case .body(let bytes) = part else { return count }
                return count + bytes.readableBytes
            }
            #expect(bytes == body.utf8.count, "\(lines)")
            guard case .head? = passed.first, case .end(nil)? = passed.last else {
                Issue.record("not whole: \(lines)")
                continue
            }
            #expect(try connection.sent().isEmpty)
            #expect(drafts(connection).isEmpty)
        }
    }

    /// Its body is waited for where it is timed and counted.
    @Test func aBodyThatComesLaterIsPassedOn() throws {
        let connection = try DirectConnection()
        let (text, length) = (CreateExportTests.body, CreateExportTests.body.utf8.count)
        try connection.ask("POST", "/exports", [Self.json, "content-length: \(length)"], body: String(text.prefix(10)))
        #expect(try connection.passed().count == 2)
        try connection.send(String(text.dropFirst(10)))
        #expect(try connection.passed().count == 2)
        #expect(drafts(connection).isEmpty)
    }

    @Test func whatComesMeanwhileWaitsForItsTurn() throws {
        let connection = try DirectConnection()
        try create(connection)
        try connection.ask()
        try create(connection)
        // The rest of this body comes later.
        try connection.ask("POST", "/exports", [Self.json, "content-length: 100"], body: "{")
        #expect(try connection.sent().isEmpty)
        connection.run()
        #expect(try connection.statuses() == [202, 200, 202])
        #expect(drafts(connection).count == 2)
        #expect(try connection.passed().count == 2)
    }

    @Test func aServiceThatCannotIsNotAsked() throws {
        let connection = try DirectConnection()
        connection.gateway.service.state.withLock { $0.createsWithoutTasks = false }
        try create(connection)
        #expect(try connection.passed().count == 3)
        #expect(drafts(connection).isEmpty)
    }

    @Test func aFailureIsToldOnce() throws {
        let connection = try DirectConnection()
        connection.gateway.service.state.withLock { state in
            state.failure = GatewayError(.unavailable, "The disk is full.", retryAfter: .seconds(30))
        }
        try create(connection)
        connection.run()
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(sent.contains("\r\nRetry-After: 30\r\n"))
        #expect(sent.contains("\"detail\":\"The disk is full.\""))
        // It is not tried again by the other way: it may have been stored.
        #expect(try connection.passed().isEmpty)
    }

    @Test func aClientThatLeavesHasItsExport() throws {
        let connection = try DirectConnection()
        try create(connection)
        connection.channel.pipeline.fireChannelInactive()
        connection.run()
        #expect(drafts(connection).count == 1)
        let active = connection.gateway.registry.text().split(separator: "\n")
            .first { $0.hasPrefix("http_server_active_requests ") }
        #expect(active?.hasSuffix(" 0") == true)
    }

    /// With its key, it can be looked for, and is not created twice.
    @Test func aFailureWithAKeyIsLeftToTheResponder() throws {
        let connection = try DirectConnection()
        connection.gateway.service.state.withLock { $0.failure = GatewayError(.unavailable, "The disk is full.") }
        try create(connection, [Self.json, "idempotency-key: k"])
        try connection.ask()
        connection.run()
        let passed = try connection.passed()
        // The request behind it waits for its answer, too.
        #expect(passed.count == 5)
        guard case .body(let body)? = passed.dropFirst().first else {
            Issue.record("it has no body")
            return
        }
        #expect(String(buffer: body) == CreateExportTests.body)
        #expect(try connection.sent().isEmpty)
    }

    /// The ledger has looked for its key by then.
    @Test func aCreateBeyondTheLimitIsRefusedHere() throws {
        let connection = try DirectConnection()
        connection.gateway.service.state.withLock { $0.failure = GatewayError(.tooManyRequests, "Two is the most.") }
        try create(connection, [Self.json, "idempotency-key: k"])
        connection.run()
        #expect(try connection.statuses() == [429])
        #expect(try connection.passed().isEmpty)
    }

    /// Head and body together belong to the cost of any connection.
    @Test(arguments: [100, 3500]) func aLongHeadIsPassedOn(length: Int) throws {
        let connection = try DirectConnection()
        let text = CreateExportTests.body
        let fields =
            "host: \(String(repeating: "h", count: length))\r\n\(Self.json)\r\ncontent-length: \(text.utf8.count)\r\n"
        try connection.send("POST /exports HTTP/1.1\r\n\(fields)x-request-id: r\r\n\r\n\(text)")
        connection.run()
        #expect(try connection.passed().isEmpty == (length == 100))
        let other = try DirectConnection()
        let body = String(text.dropLast()) + String(repeating: " ", count: length) + "}"
        try other.send(
            "POST /exports HTTP/1.1\r\nhost: \(String(repeating: "h", count: 600))\r\n\(Self.json)\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        other.run()
        #expect(try other.passed().isEmpty == (length == 100))
    }

    /// A head that waits for its body is passed on before an event that would end the connection.
    @Test(arguments: [true, false]) func anEventDoesNotOvertakeAHead(isBehindAnother: Bool) throws {
        let connection = try DirectConnection()
        if isBehindAnother { try create(connection) }
        let head = DirectConnection.text("POST", "/exports", [Self.json, "content-length: 100"], "{")
        // Without the end of a round of reads, at which it would be passed on.
        connection.channel.pipeline.fireChannelRead(ByteBuffer(string: head))
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        connection.run()
        #expect(try connection.passed().count == 2)
        #expect(connection.events.contains { $0 is ChannelShouldQuiesceEvent })
    }

    /// What waits behind a create request is for nobody when the connection is gone.
    @Test func nothingIsHandledForAClientThatHasLeft() throws {
        let connection = try DirectConnection()
        try create(connection)
        try create(connection)
        try connection.ask("DELETE")
        connection.channel.pipeline.fireChannelInactive()
        connection.run()
        #expect(drafts(connection).count == 1)
        #expect(try connection.passed().isEmpty)
    }
}
