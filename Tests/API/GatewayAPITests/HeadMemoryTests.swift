import Exports
import HTTPTypes
import Memory
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import Telemetry
import Testing

@testable import GatewayAPI

/// Heads for which there is no memory, and those that are displaced: what becomes of the connection.
@Suite struct HeadMemoryTests {
    private static let total = 1 << 20

    private static func field(_ count: Int) -> String { "user-agent: \(String(repeating: "x", count: count))" }

    private func reserved(_ connection: DirectConnection) -> Int { connection.gateway.memory.reserved(.head) }

    private func all(_ connection: DirectConnection, but rest: Int = 0) throws -> MemoryReservation {
        try connection.gateway.memory.reserve(MemoryKind.head.maximum(of: Self.total) - rest, .head)
    }

    private func shows(_ connection: DirectConnection, _ line: String) -> Bool {
        connection.gateway.registry.text().contains(line + "\n")
    }

    // A head that has ended

    @Test func aRequestUnderWayIsAnsweredOnceThoughThereIsNoMemory() throws {
        let connection = try DirectConnection(memory: Self.total)
        let others = try all(connection)
        try connection.ask("GET", "/livez", [Self.field(4800)])
        #expect(try connection.passed().count == 2)
        #expect(try connection.sent().isEmpty)
        try connection.answerFromBehind()
        connection.run()
        // One answer, and the connection goes on.
        #expect(try connection.statuses() == [202])
        try connection.ask("GET", "/livez")
        #expect(try connection.passed().count == 2)
        others.release()
    }

    @Test func whatComesBehindItIsNotReadOn() throws {
        let connection = try DirectConnection(memory: Self.total)
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        let others = try all(connection)
        try connection.ask("GET", "/livez", [Self.field(4800)])
        // The end of the client is noticed.
        connection.channel.read()
        #expect(reads.count == 1)
        try connection.ask("GET", "/livez")
        connection.channel.read()
        #expect(reads.count == 1)
        for _ in 0..<2 { try connection.answerFromBehind() }
        connection.run()
        #expect(try connection.statuses() == [202, 202])
        #expect(reads.count == 2)
        others.release()
    }

    @Test func itsBodyIsReadAllTheSame() throws {
        let connection = try DirectConnection(memory: Self.total)
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        let others = try all(connection)
        try connection.ask("POST", "/exports", [Self.field(4800), "content-length: 20000"], body: "x")
        connection.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: false), promise: nil)
        for _ in 0..<4 {
            connection.channel.read()
            try connection.send(String(repeating: "x", count: 4000))
        }
        #expect(reads.count == 4)
        #expect(try connection.passed().count > 4)
        #expect(try connection.sent().isEmpty)
        others.release()
    }

    // Bytes that are no request

    @Test(arguments: ["NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"])
    func whatComesBehindAFailureIsNotReserved(failure: String) throws {
        let connection = try DirectConnection(memory: Self.total)
        try connection.send(failure)
        #expect(try connection.statuses() == [400])
        for _ in 0..<10 {
            try connection.send(String(repeating: "x", count: 4000))
            #expect(reserved(connection) == 0)
        }
        #expect(try connection.sent().isEmpty)
    }

    @Test func whatComesBehindTheLastRequestIsNotReserved() throws {
        let connection = try DirectConnection(.running, memory: Self.total)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        try connection.send("NONSENSE\r\n\r\n")
        for _ in 0..<10 {
            try connection.send(String(repeating: "x", count: 4000))
            #expect(reserved(connection) == 0)
        }
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(try connection.statuses() == [200, 400])
    }

    // What is read ahead

    @Test func aShortBodyBehindMuchIsRead() throws {
        let connection = try DirectConnection(.running)
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        for _ in 0..<5 { try connection.ask("GET", nil, [Self.field(3600)]) }
        try connection.ask("POST", "/exports", ["content-length: 12"])
        connection.channel.read()
        #expect(reads.count == 0)
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(try connection.passed().count == 1)
        #expect(try connection.statuses().count == 6)
        connection.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: false), promise: nil)
        #expect(reads.count > 0)
    }

    @Test func whoReadsABodyIsToldToABodyOfItsOwn() throws {
        let connection = try DirectConnection()
        try connection.ask("POST", "/exports", ["content-length: 3"], body: "abc")
        try connection.ask("POST", "/exports", ["content-length: 200000"])
        // Of the first, late.
        connection.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: false), promise: nil)
        try connection.send(String(repeating: "x", count: RequestBytes.readAhead + 1))
        #expect(reserved(connection) > RequestBytes.readAhead)
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        connection.channel.read()
        #expect(reads.count == 0)
    }

    @Test func manyPartsAreMuch() throws {
        let connection = try DirectConnection()
        try connection.ask("POST", "/exports", ["transfer-encoding: chunked"])
        try connection.send(String(repeating: "1\r\nx\r\n", count: 600))
        #expect(reserved(connection) >= 600 * RequestBytes.leastOfPart * RequestBytes.cost)
    }

    @Test func longTrailersAreRefused() throws {
        let connection = try DirectConnection()
        try connection.ask("POST", "/exports", ["transfer-encoding: chunked"], body: "1\r\nx\r\n0\r\n")
        connection.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: false), promise: nil)
        let trailers = "a: \(String(repeating: "x", count: RequestBytes.readAhead + 4096))"
        #expect(throws: (any Error).self) { try connection.send(trailers) }
        #expect(reserved(connection) > 0)
        try connection.answerFromBehind()
        connection.run()
        #expect(reserved(connection) == 0)
    }

    // A head that others' took the memory of

    /// A connection with half a head, whose memory another connection got; it has not heard of it.
    private func displaced(_ head: String) throws -> (DirectConnection, MemoryReservation) {
        let connection = try DirectConnection(memory: Self.total)
        try connection.send(head)
        #expect(reserved(connection) > 0)
        let other = EmbeddedChannel()
        let most = MemoryKind.head.maximum(of: Self.total)
        return (connection, try connection.heads.reserve(most, nil, for: other))
    }

    @Test func anUnfinishedHeadIsClosedForOthers() throws {
        let (connection, others) = try displaced("GET /exports HTTP/1.1\r\nhost: x\r\n" + Self.field(9000))
        #expect(connection.channel.isActive)
        connection.run()
        #expect(!connection.channel.isActive)
        #expect(try connection.sent().isEmpty)
        #expect(shows(connection, "export_gateway_http_connections_closed_total{reason=\"displaced\"} 1"))
        // Nobody was refused anything, and nothing was answered.
        #expect(
            shows(
                connection,
                "export_gateway_memory_reservations_refused_total{kind=\"head\",reason=\"memory-limit\"} 0"
            )
        )
        #expect(!connection.gateway.registry.text().contains("export_gateway_http_requests_unreadable_total{"))
        others.release()
    }

    @Test func aHeadThatEndsMeanwhileIsAnswered() throws {
        let (connection, others) = try displaced("DELETE /exports/x HTTP/1.1\r\nhost: x\r\n" + Self.field(9000))
        try connection.send("\r\n\r\n")
        #expect(try connection.passed().count == 2)
        connection.run()
        #expect(connection.channel.isActive)
        try connection.answerFromBehind()
        connection.run()
        #expect(try connection.statuses() == [202])
        #expect(shows(connection, "export_gateway_http_connections_closed_total{reason=\"displaced\"} 0"))
        others.release()
    }

    /// The same of the table of connections: a request may come before the connection that was chosen hears of it.
    @Test func aConnectionWithARequestIsNotClosedForAnother() throws {
        let table = ConnectionTable(limit: 1) {}
        let idle = IdleConnectionHandler(timeout: .seconds(75))
        let (chosen, other) = (EmbeddedChannel(handler: idle), EmbeddedChannel())
        for channel in [chosen, other] {
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            try channel.pipeline.syncOperations.addHandler(HTTPResponseEncoder(), position: .first)
        }
        try table.opened(chosen, isPlainHTTP1: true)
        try table.opened(other, isPlainHTTP1: true)
        table.authenticated(chosen)
        table.answered(other)
        // It was chosen by now, and did not hear of it.
        table.began(chosen)
        try chosen.writeInbound(
            HTTPRequestPart.head(HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/"))
        )
        chosen.embeddedEventLoop.run()
        other.embeddedEventLoop.run()
        #expect(chosen.isActive && !other.isActive)
    }

    @Test func tooManyTrailersAre431() async throws {
        let gateway = TestGateway(time: SystemTime())
        try await gateway.live { server in
            try await server.connect { client in
                let fields = (1...200).map { "x-\($0): a\r\n" }.joined()
                let trailers = (1...100).map { "y-\($0): a\r\n" }.joined()
                let head = "POST /exports HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\(fields)"
                try await client.send("\(head)transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\(trailers)\r\n")
                let answer = try await client.readAnswer()
                #expect(answer.head.hasPrefix("HTTP/1.1 431 "))
                #expect(answer.body.contains("more than 256, trailers included"))
                #expect(answer.body.contains("65536 bytes together"))
            }
        }
    }
}
