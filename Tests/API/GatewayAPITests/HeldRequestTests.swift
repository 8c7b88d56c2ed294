import HTTPFields
import Exports
import NIOCore
import NIOEmbedded
import Synchronization
import Telemetry
import Testing

@testable import GatewayAPI

/// Requests that wait without a task: for the ledger, and for a change.
@Suite struct HeldRequestTests {
    /// How many requests `/metrics` says are being answered.
    private func active(_ connection: DirectConnection) -> String? {
        connection.gateway.registry.text().split(separator: "\n").first { $0.hasPrefix("http_server_active_requests ") }
            .map(String.init)
    }

    private func finders(_ connection: DirectConnection) -> [@Sendable (ExportSnapshot?) -> Void] {
        connection.gateway.service.state.withLock { $0.finders }
    }

    private func find(_ snapshot: ExportSnapshot?, _ connection: DirectConnection) throws {
        let finder = try #require(finders(connection).first)
        finder(snapshot)
        connection.run()
    }

    private func watches(_ connection: DirectConnection) -> [FakeWatch] {
        connection.gateway.service.state.withLock { $0.watches }
    }

    private func changed(_ connection: DirectConnection) -> Export {
        var export = connection.export
        export.revision += 1
        export.name = "renamed 77"
        return export
    }

    @Test func whatTheLedgerHasIsAnswered() throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        #expect(try connection.sent().isEmpty)
        #expect(active(connection)?.hasSuffix(" 1") == true)
        try find(ExportSnapshot(connection.export), connection)
        #expect(try connection.statuses() == [200])
        #expect(try connection.passed().isEmpty)
        #expect(active(connection)?.hasSuffix(" 0") == true)
    }

    @Test func whatTheLedgerDoesNotHaveIsPassedOn() throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        // Behind it, in its turn.
        try connection.ask("DELETE")
        #expect(try connection.passed().isEmpty)
        try find(nil, connection)
        #expect(try connection.passed().count == 4)
        #expect(try connection.sent().isEmpty)
        #expect(active(connection)?.hasSuffix(" 0") == true)
    }

    @Test(arguments: [true, false]) func aChangeEndsTheWait(isInMemory: Bool) throws {
        let connection = try DirectConnection(.running, inMemory: isInMemory)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        if !isInMemory {
            try find(ExportSnapshot(connection.export), connection)
        }
        #expect(try connection.sent().isEmpty)
        let watch = try #require(watches(connection).first)
        watch.tell(changed(connection))
        connection.run()
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(sent.contains("\r\nPreference-Applied: wait=5\r\n"))
        #expect(sent.contains("77"))
        #expect(watch.isCancelled)
        // What comes too late is for nobody.
        watch.tell(nil)
        connection.run()
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(try connection.sent().isEmpty)
    }

    @Test func timeEndsTheWait() throws {
        let connection = try DirectConnection(.running)
        let tag = EntityTag(of: connection.export).field
        try connection.ask("GET", nil, ["prefer: wait=600", "if-none-match: \(tag)"])
        // Cut to what is allowed at most.
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        #expect(try connection.sent().isEmpty)
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 304 "))
        #expect(sent.contains("\r\nPreference-Applied: wait=60\r\n"))
        #expect(try #require(watches(connection).first).isCancelled)
    }

    @Test(arguments: ["wait=0", "wait=x", "respond-async"]) func whoDoesNotWaitIsAnsweredAtOnce(prefer: String) throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: \(prefer)"])
        #expect(try connection.statuses() == [200])
        #expect(watches(connection).isEmpty)
    }

    @Test func whoHasMissedAStateIsAnsweredAtOnce() throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5", "if-none-match: W/\"\(connection.export.id).0\""])
        #expect(try connection.statuses() == [200])
        let ended = try DirectConnection(.succeeded)
        try ended.ask("GET", nil, ["prefer: wait=5"])
        #expect(try ended.statuses() == [200])
    }

    @Test func whatComesInMeanwhileWaitsForItsTurn() throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        try connection.ask("HEAD")
        try connection.ask("DELETE")
        #expect(try connection.sent().isEmpty)
        #expect(try connection.passed().isEmpty)
        try #require(watches(connection).first).tell(changed(connection))
        connection.run()
        #expect(try connection.statuses() == [200, 200])
        #expect(try connection.passed().count == 2)
    }

    @Test func anUnreadableRequestBehindItIsAnsweredInItsTurn() throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        try connection.send("nonsense\r\n\r\n")
        #expect(try connection.sent().isEmpty)
        try #require(watches(connection).first).tell(changed(connection))
        connection.run()
        #expect(try connection.statuses() == [200, 400])
    }

    @Test(arguments: [true, false]) func theEndOfTheClientOrOfTheServerEndsTheWait(isClient: Bool) throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        let event: any Sendable = isClient ? ChannelEvent.inputClosed : ChannelShouldQuiesceEvent()
        connection.channel.pipeline.fireUserInboundEventTriggered(event)
        #expect(try connection.statuses() == [200])
        #expect(try #require(watches(connection).first).isCancelled)
    }

    @Test func aClosedConnectionLeavesNothingBehind() throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        connection.channel.pipeline.fireChannelInactive()
        #expect(try #require(watches(connection).first).isCancelled)
        #expect(active(connection)?.hasSuffix(" 0") == true)
        let other = try DirectConnection(inMemory: false)
        try other.ask()
        let find = try #require(finders(other).first)
        other.channel.pipeline.fireChannelInactive()
        find(ExportSnapshot(other.export))
        other.run()
        #expect(active(other)?.hasSuffix(" 0") == true)
    }

    /// Nobody hears of it before the request is where it is answered.
    @Test(arguments: [true, false]) func whatIsPassedOnComesBeforeTheEnd(isClient: Bool) throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        try connection.ask("DELETE")
        let event: any Sendable = isClient ? ChannelEvent.inputClosed : ChannelShouldQuiesceEvent()
        connection.channel.pipeline.fireUserInboundEventTriggered(event)
        let ends = connection.events.count
        try find(nil, connection)
        #expect(try connection.passed().count == 4)
        #expect((ends, connection.events.count) == (0, 1))
    }

    @Test func whatBecameLargeIsPassedOn() throws {
        let connection = try DirectConnection(.running)
        try connection.ask("GET", nil, ["prefer: wait=5"])
        var export = changed(connection)
        export.files = (0...100).map { ExportFile(id: "\($0)", name: "a.csv") }
        try #require(watches(connection).first).tell(export)
        connection.run()
        #expect(try connection.sent().isEmpty)
        #expect(try connection.passed().count == 2)
    }

    /// What HTTP/1.0 gets is another answer than what waited before it.
    @Test func eachRequestIsOfItsOwnVersion() throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        try connection.send("DELETE /exports/x HTTP/1.0\r\nhost: x\r\n\r\n")
        try find(nil, connection)
        try connection.answerFromBehind()
        #expect(try connection.sent().contains("Connection") == false)
        try connection.answerFromBehind()
        #expect(try connection.sent().lowercased().contains("connection: close"))
    }

    /// Who closes because the client has said its last word does not know of what is answered here.
    @Test func theConnectionIsClosedBehindTheAnswer() throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        let closed = connection.channel.close()
        #expect(connection.channel.isActive)
        try find(ExportSnapshot(connection.export), connection)
        #expect(try connection.statuses() == [200])
        try closed.wait()
        #expect(!connection.channel.isActive)
    }

    @Test func aWaitIsNotIdle() throws {
        let connection = try DirectConnection(inMemory: false)
        try connection.ask()
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(300))
        #expect(connection.channel.isActive)
        try find(ExportSnapshot(connection.export), connection)
        #expect(try connection.statuses() == [200])
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(300))
        #expect(!connection.channel.isActive)
    }
}
