import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GatewayAPI

@Suite("Backlog of a body")
struct BacklogTests {
    @Test("a loop that does not get to run is given two pieces and then waited for", .timeLimit(.minutes(5)))
    func waits() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let channel = try await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: port).get()
        let backlog = Backlog(channel)
        let events = Mutex<[String]>([])

        // The loop stands still until the gate opens.
        let gate = DispatchSemaphore(value: 0)
        channel.eventLoop.execute {
            gate.wait()
            events.withLock { $0.append("loop") }
        }
        try await backlog.wrote(Backlog.allowance)
        try await backlog.wrote(Backlog.allowance)
        async let third: Void = {
            try await backlog.wrote(Backlog.allowance)
            events.withLock { $0.append("third") }
        }()
        gate.signal()
        try await third
        #expect(events.withLock { $0 } == ["loop", "third"])

        try await channel.close()
        // Nobody waits for the loop of a client that has gone.
        for _ in 0..<4 { try await backlog.wrote(Backlog.allowance) }
        try await server.close()
        try await group.shutdownGracefully()
    }
}
