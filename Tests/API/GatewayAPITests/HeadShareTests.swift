import Exports
import Memory
import NIOCore
import Telemetry
import Testing
import TestSupport

@testable import GatewayAPI

/// The head of a request whose caller is known.
@Suite(.timeLimit(.minutes(5))) struct HeadShareTests {
    private static let total = 1 << 20

    private static func field(_ count: Int) -> String { "user-agent: \(String(repeating: "x", count: count))" }

    private func reserved(_ connection: DirectConnection) -> Int { connection.gateway.memory.reserved(.head) }

    private func all(_ connection: DirectConnection, but rest: Int = 0) throws -> MemoryReservation {
        try connection.gateway.memory.reserve(MemoryKind.head.maximum(of: Self.total) - rest, .head)
    }

    private func charge(_ connection: DirectConnection, to caller: String) throws {
        let event = ConnectionHandler.CallerKnown(caller: caller)
        try connection.channel.triggerUserOutboundEvent(event).wait()
    }

    private func shows(_ connection: DirectConnection, _ line: String) -> Bool {
        connection.gateway.registry.text().contains(line + "\n")
    }

    @Test func aCallersHeadsHaveAShare() throws {
        let connection = try DirectConnection(memory: Self.total)
        let memory = connection.gateway.memory
        let share = MemoryKind.head.maximum(of: Self.total) / 2
        let mine = try memory.reserve(share, .head, for: "a")
        try connection.ask("GET", "/exports", [Self.field(5000)])
        #expect(throws: MemoryRefusal.caller(limit: share)) { try charge(connection, to: "a") }
        #expect(
            shows(
                connection,
                "export_gateway_memory_reservations_refused_total{kind=\"head\",reason=\"caller-limit\"} 1"
            )
        )
        // Another caller's has its place.
        try charge(connection, to: "b")
        #expect(reserved(connection) > share + 5000 * RequestBytes.cost)
        #expect(throws: MemoryRefusal.caller(limit: share)) { try memory.reserve(share - 10_000, .head, for: "b") }
        try connection.answerFromBehind()
        connection.run()
        #expect(reserved(connection) == share)
        #expect(throws: Never.self) { _ = try memory.reserve(share, .head, for: "b") }
        mine.release()
    }

    @Test func aCallersHeadThatThereIsNoMemoryForIsRefused() throws {
        let connection = try DirectConnection(memory: Self.total)
        let others = try all(connection)
        try connection.ask("GET", "/exports", [Self.field(5000)])
        #expect(throws: MemoryRefusal.full) { try charge(connection, to: "a") }
        others.release()
        try charge(connection, to: "a")
        #expect(reserved(connection) > 5000 * RequestBytes.cost)
    }

    @Test func theResponderRefusesWhatIsTooMuch() async throws {
        let gateway = TestGateway(time: SystemTime(), memory: Self.total)
        let request = "GET /exports HTTP/1.1\r\nhost: x\r\n\(Self.field(9000))\r\n\r\n"
        let share = MemoryKind.head.maximum(of: Self.total) / 2
        try await gateway.live { server in
            try await server.connect { client in
                let mine = try gateway.memory.reserve(share, .head, for: "anonymous")
                try await client.send(request)
                let tooMuch = try await client.readAnswer()
                #expect(tooMuch.head.hasPrefix("HTTP/1.1 429 ") && tooMuch.body.contains("too-many-requests"))
                #expect(tooMuch.head.lowercased().contains("\r\nretry-after: 1"))
                // Given back behind the answer.
                try await eventually { gateway.memory.reserved(.head) <= share }
                let others = try gateway.memory.reserve(share, .head)
                mine.release()
                let rest = try gateway.memory.reserve(share, .head)
                try await client.send(request)
                let full = try await client.readAnswer()
                #expect(full.head.hasPrefix("HTTP/1.1 503 ") && full.body.contains("\"unavailable\""))
                #expect(full.head.lowercased().contains("\r\nretry-after: 1"))
                others.release()
                rest.release()
            }
            try await server.connect { client in
                try await client.send(request)
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
            }
        }
    }
}
