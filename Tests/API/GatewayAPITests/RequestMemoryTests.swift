import Exports
import HTTPTypes
import JSON
import Memory
import NIOCore
import NIOEmbedded
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayAPI

/// Bodies and waits for which there is no memory.
@Suite struct RequestMemoryTests {
    private static let total = 1 << 20
    private static let long = CreateExportTests.body + String(repeating: " ", count: RequestBytes.allowance)

    /// What others have taken of a kind, as long as it is kept: all, or all but so much.
    private func others(_ kind: MemoryKind, but rest: Int = 0, in gateway: TestGateway) throws -> [MemoryReservation] {
        let most = kind.maximum(of: Self.total)
        return [
            try gateway.memory.reserve(most / 2, kind, for: "other"),
            try gateway.memory.reserve(most / 2 - rest, kind, for: "third"),
        ]
    }

    @Test func theSmallestBudgetIsSureToHavePlaceForTheLargest() {
        func sure(_ kind: MemoryKind) -> Int { kind.guaranteed(of: MemoryBudget.smallest) }
        let settings = APISettings(cursorKey: SecretBytes([]))
        #expect((settings.maxHeaderBytes + settings.maxTargetBytes) * RequestBytes.cost <= sure(.head))
        #expect(BodyReader.cost(of: settings.maxBodyBytes) <= sure(.body))
        #expect(max(DirectAnswers.waitCost, ChangeWait.cost) <= sure(.wait))
    }

    @Test func aBodyIsReservedWhileItComes() async throws {
        let gateway = TestGateway(memory: Self.total)
        #expect(try await gateway.create(Self.long).status == 202)
        #expect(gateway.memory.reserved(.body) == 0)
        // It grows with what comes.
        let taken = try others(.body, but: BodyReader.cost(of: 0), in: gateway)
        #expect(try await gateway.create(Self.long).status == 202)
        let tooLong = CreateExportTests.body + String(repeating: " ", count: 20_000)
        #expect(try await gateway.create(tooLong).status == 503)
        for each in taken { each.release() }
        #expect(gateway.memory.reserved(.body) == 0)
        #expect(try await gateway.create(tooLong).status == 202)
    }

    @Test func aBodyThatThereIsNoMemoryForIsRefused() async throws {
        let gateway = TestGateway(memory: Self.total)
        let taken = try others(.body, in: gateway)
        let answer = try await gateway.create(Self.long)
        #expect(answer.status == 503 && answer.code == "unavailable")
        #expect(answer.headers[.retryAfter] == "1")
        // Short ones come with their heads.
        #expect(try await gateway.create(CreateExportTests.body).status == 202)
        for each in taken { each.release() }
        #expect(try await gateway.create(Self.long).status == 202)
    }

    @Test func aCallersShareOfBodiesIsItsOwn() async throws {
        let gateway = TestGateway(memory: Self.total)
        let limit = MemoryKind.body.maximum(of: Self.total) / 2
        let mine = try gateway.memory.reserve(limit, .body, for: "anonymous")
        let answer = try await gateway.create(Self.long)
        #expect(answer.status == 429 && answer.code == "too-many-requests")
        #expect(answer.headers[.retryAfter] == "1")
        // What is left is no number of requests.
        #expect(answer.headers[.rateLimitPolicy] == nil && answer.json["quota"] == nil)
        mine.release()
        #expect(try await gateway.create(Self.long).status == 202)
    }

    @Test func aWaitThatThereIsNoMemoryForIsAnsweredAtOnce() async throws {
        let gateway = TestGateway(memory: Self.total)
        let export = gateway.service.put(.running)
        let taken = try others(.wait, in: gateway)
        let answer = try await gateway.call(.get, "/exports/\(export.id)", headers: [.prefer: "wait=30"])
        #expect(answer.status == 200 && answer.headers[.preferenceApplied] == nil)
        let tag = try #require(answer.headers[.eTag])
        let unchanged = try await gateway.call(
            .get,
            "/exports/\(export.id)",
            headers: [.prefer: "wait=30", .ifNoneMatch: tag]
        )
        #expect(unchanged.status == 304 && unchanged.headers[.preferenceApplied] == nil)
        for each in taken { each.release() }
    }

    @Test func aHeldWaitIsReservedUntilItsAnswer() throws {
        let connection = try DirectConnection(.running, memory: Self.total)
        let memory = connection.gateway.memory
        try connection.ask("GET", nil, ["prefer: wait=5"])
        #expect(memory.reserved(.wait) == DirectAnswers.waitCost)
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(try connection.sent().contains("\r\nPreference-Applied: wait=5\r\n"))
        #expect(memory.reserved(.wait) == 0)
        // Where the connection ends before.
        try connection.ask("GET", nil, ["prefer: wait=5"])
        #expect(memory.reserved(.wait) == DirectAnswers.waitCost)
        try connection.channel.close().wait()
        connection.run()
        #expect(memory.reserved(.wait) == 0)
    }

    @Test func aHeldWaitThatThereIsNoMemoryForIsAnsweredAtOnce() throws {
        let connection = try DirectConnection(.running, memory: Self.total)
        let taken = try others(.wait, in: connection.gateway)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 200 ") && !sent.contains("Preference-Applied"))
        // One that the ledger is asked for first.
        let other = try DirectConnection(.running, inMemory: false, memory: Self.total)
        let more = try others(.wait, in: other.gateway)
        try other.ask("GET", nil, ["prefer: wait=5"])
        let finder = try #require(other.gateway.service.state.withLock { $0.finders }.first)
        finder(ExportSnapshot(other.export))
        other.run()
        let found = try other.sent()
        #expect(found.hasPrefix("HTTP/1.1 200 ") && !found.contains("Preference-Applied"))
        for each in taken + more { each.release() }
    }
}
