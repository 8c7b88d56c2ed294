import Exports
import HTTPTypes
import JSON
import ManualClock
import Memory
import ServiceLifecycle
import Synchronization
import Telemetry
import TestTokens
import Testing

@testable import GatewayAPI

/// Streams of events on a socket, of a fake service.
@Suite(.timeLimit(.minutes(5))) struct EventStreamTests {
    /// The follower of changes, the heartbeats, and what fetches the keys of tokens wait.
    private static let pauses = 3
    private static let end = "0\r\n\r\n"

    private func gateway(
        _ time: ManualTime = ManualTime(),
        _ configure: (inout EventSettings) -> Void = { _ in }
    ) -> TestGateway {
        TestGateway(time: time) { settings in
            settings.events = EventSettings()
            configure(&settings.events)
        }
    }

    private func ask(_ client: RawClient, _ target: String, after id: Int64? = nil, _ more: String = "") async throws {
        let last = id.map { "last-event-id: \($0)\r\n" } ?? ""
        try await client.send("GET \(target) HTTP/1.1\r\nhost: x\r\n\(last)\(more)\r\n")
    }

    /// One block of a stream, without the sizes of its chunks.
    private func block(_ client: RawClient) async throws -> String {
        let text = try await client.read(through: "\n\n\r\n")
        return text.split(separator: "\r\n", maxSplits: 1).last.map(String.init)?.replacing("\n\n\r\n", with: "") ?? ""
    }

    /// The head of an answer, and the block that says when to come back.
    private func head(_ client: RawClient) async throws -> String {
        let head = try await client.read(through: "\r\n\r\n")
        if head.hasPrefix("HTTP/1.1 200 ") { #expect(try await block(client).hasPrefix("retry: ")) }
        return head
    }

    @Test func anExportIsFollowedToItsEnd() async throws {
        let gateway = gateway()
        let export = gateway.service.put(.running)
        let target = "/exports/\(export.id)/events"
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, target)
                let fields = try await head(client)
                #expect(fields.contains("\r\nContent-Type: text/event-stream\r\n"))
                #expect(fields.contains("\r\nCache-Control: no-store\r\n"))
                #expect(fields.contains("\r\nX-Accel-Buffering: no\r\n"))
                let first = try await block(client)
                #expect(
                    first.hasPrefix(
                        "event: snapshot\nid: 1\ndata: {\"id\":\"\(export.id)\",\"href\":\"../\(export.id)\""
                    )
                )
                gateway.service.change(export.id) { $0.percentComplete = 40 }
                let second = try await block(client)
                #expect(second.hasPrefix("event: change\nid: 2\ndata: {"))
                #expect(second.contains("\"percentComplete\":40"))
                // Ended, and its files are not known yet.
                gateway.service.change(export.id) { export in
                    export.status = .succeeded
                    export.completedAt = export.createdAt
                }
                let third = try await block(client)
                #expect(third.hasPrefix("event: change\nid: 3\n") && third.contains("\"ended\":true"))
                gateway.service.change(export.id) { export in
                    export.tracking = nil
                    export.files = [ExportFile(id: "1", name: "a.csv")]
                }
                let last = try await block(client)
                #expect(last.hasPrefix("event: snapshot\nid: 4\n") && last.contains("a.csv"))
                #expect(try await client.read(through: Self.end) == Self.end)
                // The connection goes on. The client has everything.
                try await ask(client, target, after: 4)
                #expect(try await head(client).hasPrefix("HTTP/1.1 204 "))
                try await ask(client, target, after: 3)
                _ = try await head(client)
                #expect(try await block(client) == last)
                #expect(try await client.read(through: Self.end) == Self.end)
                // Without a position, there is a snapshot first also of what is over.
                try await ask(client, target)
                _ = try await head(client)
                #expect(try await block(client) == last)
                #expect(try await client.read(through: Self.end) == Self.end)
            }
        }
    }

    @Test func whatWasMissedComesOnceAndInOrder() async throws {
        let gateway = gateway()
        let (export, other) = (gateway.service.put(), gateway.service.put())
        for percent in 1...4 {
            gateway.service.change(export.id) { $0.percentComplete = percent }
            gateway.service.change(other.id) { $0.percentComplete = percent }
        }
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/\(export.id)/events", after: 4)
                _ = try await head(client)
                for position in [5, 7, 9] {
                    #expect(try await block(client).hasPrefix("event: change\nid: \(position)\n"))
                }
                gateway.service.change(export.id) { $0.percentComplete = 5 }
                #expect(try await block(client).hasPrefix("event: change\nid: 11\n"))
            }
            try await server.connect { client in
                try await ask(client, "/exports/events", after: 9)
                _ = try await head(client)
                for position in 10...11 {
                    #expect(try await block(client).hasPrefix("event: change\nid: \(position)\n"))
                }
            }
        }
    }

    enum Loss: CaseIterable { case isPruned, isUnreadable, isOfAnotherLedger, isTooMuch }

    @Test(arguments: Loss.allCases) func whatCannotBeReplayedIsReplacedByASnapshot(loss: Loss) async throws {
        let gateway = gateway { if loss == .isTooMuch { $0.replayLimit = 1 } }
        let export = gateway.service.put()
        for percent in 1...3 { gateway.service.change(export.id) { $0.percentComplete = percent } }
        switch loss {
        case .isPruned: gateway.service.prune(through: 3)
        case .isUnreadable: gateway.service.state.withLock { $0.unreadable = [3] }
        case .isOfAnotherLedger, .isTooMuch: break
        }
        for target in ["/exports/\(export.id)/events", "/exports/events"] {
            try await gateway.live { server in
                try await server.connect { client in
                    try await ask(client, target, after: loss == .isOfAnotherLedger ? 5 : 2)
                    _ = try await head(client)
                    let first = try await block(client)
                    #expect(first.hasPrefix("event: snapshot\nid: 4\n") && first.contains("\"percentComplete\":3"))
                }
            }
        }
        #expect(gateway.service.state.withLock { $0.changeReads } > 0 || loss != .isUnreadable)
    }

    @Test func aStreamOfAllHasWhatMatches() async throws {
        let gateway = gateway()
        let running = gateway.service.put(.running)
        let ended = gateway.service.put(.succeeded)
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/events?status=running&limit=1")
                _ = try await head(client)
                let first = try await block(client)
                #expect(first.hasPrefix("event: snapshot\nid: 2\ndata: {\"value\":[{\"id\":\"\(running.id)\""))
                #expect(!first.contains("\(ended.id)") && first.contains("\"href\":\"\(running.id)\""))
                gateway.service.change(ended.id) { $0.name = "other" }
                gateway.service.change(running.id) { $0.percentComplete = 7 }
                #expect(try await block(client).hasPrefix("event: change\nid: 4\n"))
            }
        }
        // Its links are not those of a list.
        let list = try await gateway.call(.get, "/exports")
        #expect(list.body.contains("\"href\":\"exports/\(running.id)\""))
    }

    @Test func manyStreamsReadAChangeOnce() async throws {
        let gateway = gateway()
        let export = gateway.service.put()
        try await gateway.live { server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (opened, open) = AsyncStream.makeStream(of: Void.self)
                for _ in 0..<20 {
                    group.addTask {
                        try await server.connect { client in
                            try await ask(client, "/exports/\(export.id)/events")
                            _ = try await head(client)
                            _ = try await block(client)
                            open.yield()
                            #expect(try await block(client).hasPrefix("event: change\nid: 2\n"))
                        }
                    }
                }
                for await _ in opened.prefix(20) {}
                // The follower begins with the first stream.
                while gateway.service.state.withLock({ $0.changeReads }) == 0 { await Task.yield() }
                let before = gateway.service.state.withLock { $0.changeReads }
                gateway.service.change(export.id) { $0.percentComplete = 1 }
                try await group.waitForAll()
                #expect(gateway.service.state.withLock { $0.changeReads } - before == 1)
            }
        }
    }

    @Test func heartbeatsMoveThePositionOn() async throws {
        let time = ManualTime()
        let gateway = gateway(time)
        let (export, other) = (gateway.service.put(), gateway.service.put())
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/\(export.id)/events")
                _ = try await head(client)
                _ = try await block(client)
                await time.pauses(atLeast: Self.pauses)
                time.advance(by: .seconds(16))
                #expect(try await block(client) == ": heartbeat")
                let before = gateway.service.state.withLock { $0.changeReads }
                gateway.service.change(other.id) { $0.percentComplete = 1 }
                while gateway.service.state.withLock({ $0.changeReads }) == before { await Task.yield() }
                var last = ": heartbeat"
                while last == ": heartbeat" {
                    await time.pauses(atLeast: Self.pauses)
                    time.advance(by: .seconds(16))
                    last = try await block(client)
                }
                #expect(last == ": heartbeat\nid: 3")
            }
        }
    }

    @Test func aStreamLastsOnlySoLong() async throws {
        let time = ManualTime()
        let gateway = gateway(time)
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/events")
                _ = try await head(client)
                _ = try await block(client)
                await time.pauses(atLeast: Self.pauses)
                time.advance(by: .seconds(3_600))
                #expect(try await client.read(through: Self.end) == Self.end)
            }
        }
        #expect(gateway.registry.text().contains("export_gateway_event_streams_ended_total{reason=\"lifetime\"} 1\n"))
        #expect(gateway.memory.reserved(.wait) == 0)
    }

    @Test func aDrainEndsStreamsAtOnce() async throws {
        let gateway = gateway()
        let export = gateway.service.put()
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/\(export.id)/events")
                _ = try await head(client)
                _ = try await block(client)
                await server.group.triggerGracefulShutdown()
                #expect(try await client.readToEnd() == Self.end)
            }
        }
        #expect(gateway.registry.text().contains("export_gateway_event_streams 0\n"))
    }

    @Test func anExpiredTokenEndsItsStream() async throws {
        let time = ManualTime()
        let authority = try TestAuthority()
        let gateway = TestGateway(time: time) { settings in
            settings.events = EventSettings()
            settings.tokenAuthority = authority.settings()
        }
        let token = try TokenDraft.user().with("exp", .integer(TokenDraft.now + 60)).signed()
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/events", after: nil, "authorization: Bearer \(token)\r\n")
                _ = try await head(client)
                _ = try await block(client)
                await time.pauses(atLeast: Self.pauses)
                time.advance(by: .seconds(16))
                #expect(try await block(client) == ": heartbeat")
                await time.pauses(atLeast: Self.pauses)
                time.advance(by: .seconds(300))
                #expect(try await client.read(through: Self.end) == Self.end)
            }
        }
        #expect(gateway.registry.text().contains("export_gateway_event_streams_ended_total{reason=\"caller\"} 1\n"))
    }

    @Test func streamsHaveTheirLimits() async throws {
        let gateway = gateway {
            $0.streamsPerCaller = 1
            $0.maximumStreams = 1
        }
        try await gateway.live { server in
            try await server.connect { client in
                try await ask(client, "/exports/events")
                _ = try await head(client)
                try await server.connect { second in
                    try await ask(second, "/exports/events")
                    let answer = try await second.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 429 ") && answer.head.contains("\r\nRetry-After: 15\r\n"))
                    #expect(answer.body.contains("too-many-requests"))
                }
            }
        }
        let none = TestGateway { $0.events.maximumStreams = 0 }
        let refused = try await none.call(.get, "/exports/events")
        #expect(refused.status == 503 && refused.headers[.retryAfter] == "15")
        let small = TestGateway(memory: 16 << 10)
        #expect(try await small.call(.get, "/exports/events").status == 429)
    }

    @Test func mistakesAreNamed() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        for id in ["x", "-1", "1.5", "1234567890123456789"] {
            let answer = try await gateway.call(.get, "/exports/\(export.id)/events", headers: [.lastEventID: id])
            #expect(answer.status == 400 && answer.json["parameter"]?.string == "Last-Event-ID", "\(id)")
        }
        let wrong = try await gateway.call(.get, "/exports/events?state=running")
        #expect(wrong.code == "invalid-parameter")
        #expect(try await gateway.call(.get, "/exports/events?cursor=x").status == 400)
        #expect(try await gateway.call(.get, "/exports/events", headers: [.accept: "application/json"]).status == 406)
        #expect(try await gateway.call(.get, "/exports/events/events").status == 404)
        let head = try await gateway.call(.head, "/exports/events")
        #expect(head.status == 200 && head.headers[.contentType] == "text/event-stream" && head.body.isEmpty)
        #expect(gateway.memory.reserved(.wait) == 0)
    }
}
