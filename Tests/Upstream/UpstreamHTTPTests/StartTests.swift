import Exports
import JSON
import ManualClock
import NIOCore
import NIOPosix
import ScriptedHost
import Synchronization
import Testing
import TestSupport

@testable import UpstreamHTTP

/// Calls that start a job.
@Suite(.timeLimit(.minutes(2))) struct StartTests {
    private func start(_ upstream: Upstream) throws -> UpstreamRequest {
        var request = try upstream.request(.post)
        request.startsJob = true
        return request
    }

    @Test func eachGoesOutOnAConnectionOfItsOwn() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(202)]
        } test: { upstream in
            for number in 1...3 {
                _ = try await upstream.send(upstream.request(.get))
                #expect(try await upstream.send(start(upstream)).status == 202)
                // The start's connection ends with it, and no other call came on it.
                let closings = upstream.server.log.closings
                while case let ended = closings.all, !ended.contains([2 * number - 1]) {
                    await closings.reach(ended.count + 1)
                }
            }
        }
    }

    @Test func nothingGoesOutBeforeItWasAsked() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(202)]
        } test: { upstream in
            let asked = Mutex<[Int]>([])
            var context = CallContext(requestID: "r")
            context.willStart = { () async throws(ProviderError) in
                asked.withLock { $0.append(upstream.server.calls.count) }
            }
            _ = try await upstream.client.send(start(upstream), context: context)
            _ = try await upstream.client.send(upstream.request(.get), context: context)
            let before = asked.withLock { $0 }
            #expect(before == [0])
            context.willStart = { () async throws(ProviderError) in throw ProviderError(.transient, "Not now.") }
            let refusing = context
            let error = try await providerError { try await upstream.client.send(start(upstream), context: refusing) }
            #expect(error.detail == "Not now.")
            #expect(upstream.server.calls.count == 2)
        }
    }

    @Test("fault C2: while a start whose token was refused waits for its second call, nothing counts as begun")
    func aRefusedTokenTakesTheStartBack() async throws {
        try await Upstream.with(budget: RequestBudget(1, per: .seconds(20)), patience: .seconds(5)) { call, _ in
            [RawServer.answer(call.headers["authorization"] == "Bearer token-2" ? 202 : 401)]
        } test: { upstream in
            let seen = Mutex<[String]>([])
            let (log, time) = (upstream.server.log, upstream.time)
            var context = upstream.context
            context.priority = .start
            context.series = CallSeries()
            context.willStart = { () async throws(ProviderError) in
                seen.withLock { $0.append("begins after \(log.calls.all.count), \(time.elapsed() >= .seconds(20))") }
            }
            context.didNotStart = { seen.withLock { $0.append("refused after \(log.calls.all.count)") } }
            var request = try upstream.request(.post, bearer: true)
            request.startsJob = true
            let (call, work) = (request, context)
            // The second call waits for its place for longer than a first one would.
            #expect(try await upstream.client.send(call, context: work).status == 202)
            #expect(seen.withLock { $0 } == ["begins after 0, false", "refused after 1", "begins after 1, true"])
            // Other calls are only repeated.
            request.startsJob = false
            seen.withLock { $0 = [] }
            let other = request
            _ = try await upstream.client.send(other, context: work)
            #expect(seen.withLock { $0 }.isEmpty)
        }
    }

    /// A connection that ends in the middle of the handshake: no byte of the call has left.
    @Test func aHandshakeThatBreaksOffSentNothing() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Closing())
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let url = try #require(UpstreamURL("https://127.0.0.1:\(server.localAddress?.port ?? 0)/start"))
        try await Upstream.with(openHosts: [.origin(of: url)]) { _, _ in
            []
        } test: { upstream in
            var request = UpstreamRequest("test.call", .post, url)
            request.startsJob = true
            let call = request
            let error = try await providerError { try await upstream.send(call) }
            #expect(error.code == .transient)
        }
        try await server.close()
    }

    @Test func aHeadThatAcceptsIsEnough() async throws {
        try await Upstream.with { _, _ in
            [RawServer.head(202, ["Content-Length: 10", "Location: /operations/1"]), .text("12345"), .close]
        } test: { upstream in
            let response = try await upstream.send(start(upstream))
            #expect(response.status == 202)
            #expect(response.headers["location"] == "/operations/1")
        }
    }

    @Test func theUpstreamsClockIsLearned() async throws {
        let date = Mutex("Date: Thu, 28 May 2026 20:27:40 GMT")
        try await Upstream.with { _, _ in
            [RawServer.answer(200, [date.withLock { $0 }])]
        } test: { upstream in
            #expect(upstream.client.upstreamTime(at: upstream.time.now()) == nil)
            _ = try await upstream.send(upstream.request(.get))
            let learned = try #require(Timestamp(rfc3339: "2026-05-28T20:27:40Z"))
            #expect(upstream.client.upstreamTime(at: upstream.time.now()) == learned)
            // A clock that is years away tells nothing.
            date.withLock { $0 = "Date: Sun, 06 Nov 1994 08:49:37 GMT" }
            _ = try await upstream.send(upstream.request(.get))
            #expect(upstream.client.upstreamTime(at: upstream.time.now()) == nil)
        }
    }

    @Test func aTokenSaysWhoShowsIt() {
        // {"oid":"A","appid":"B"}
        let identity = UpstreamIdentity(token: "e30.eyJvaWQiOiJBIiwiYXBwaWQiOiJCIn0.x")
        #expect(identity == UpstreamIdentity(objectID: "a", applicationID: "b"))
        for token in ["", "opaque", "a.b.c", "e30.e30.x"] { #expect(UpstreamIdentity(token: token) == nil) }
        let set: JSONValue = ["user": ["id": "A"], "application": .null]
        #expect(identity?.mayBe(set) == true)
        #expect(identity?.mayBe(nil) == true)
        #expect(identity?.mayBe(["user": ["id": "other"]]) == false)
        #expect(identity?.mayBe(["application": ["id": "other"]]) == false)
    }
}

/// Closes a connection as soon as something comes.
private final class Closing: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
}
