import Exports
import ManualClock
import NIOCore
import NIOPosix
import TestSupport
import Testing
import WebhookTransport
import Webhooks

/// A DNS server that gives another answer to the second question for a name: a public address first, one of this machine
/// afterwards. Who asks once to check and once to connect, connects to this machine.
@Suite(.timeLimit(.minutes(2))) struct ChangingAnswerTests {
    /// Global unicast that nobody has: packets to it reach nobody.
    private let publicAddress = "2000::1"

    @Test func aServerThatChangesItsAnswerLeadsNoConnectionToThisMachine() async throws {
        let listeners = try await LoopbackListeners.start(ports: 2)
        let server = try await NameServer.start { index in index == 0 ? "2000::1" : index % 2 == 1 ? "127.0.0.1" : "::1"
        }
        var settings = WebhookTransportSettings()
        settings.connectTimeout = .milliseconds(200)
        let transport = try WebhookTransport(
            settings: settings,
            resolver: NameServerResolver(port: server.port),
            time: ManualTime()
        )
        let request = WebhookRequest(url: "https://hooks.example.com:\(listeners.ports[0])/", fields: [], body: [])
        func failure() async -> WebhookSendFailure? {
            await #expect(throws: WebhookSendFailure.self) { try await transport.send(request) }
        }
        // The first answer is public. The connection goes there, and nowhere else.
        let first = await failure()
        #expect(first == .connectionFailed || first == .timeout)
        #expect(server.questions.all == ["hooks.example.com"])
        // Each request after it finds out that the answer has changed.
        for index in 1...6 {
            #expect(await failure() == .forbiddenAddress)
            #expect(server.questions.all.count == index + 1)
        }
        let (counted, made) = try await listeners.connectionsAfterOneToEach()
        #expect(counted == made)
        try await server.stop()
        try await listeners.stop()
    }

    /// The same server and an allowed host: so the question does lead to a connection, where it is allowed to.
    @Test func theConnectionGoesToTheAddressThatTheServerGave() async throws {
        let listeners = try await LoopbackListeners.start(ports: 1)
        let server = try await NameServer.start { $0 == 0 ? "::1" : "127.0.0.1" }
        var settings = WebhookTransportSettings()
        settings.allowedHosts = Set([WebhookHost("hooks.example.com")].compactMap(\.self))
        let transport = try WebhookTransport(
            settings: settings,
            resolver: NameServerResolver(port: server.port),
            time: ManualTime()
        )
        let request = WebhookRequest(url: "https://hooks.example.com:\(listeners.ports[0])/", fields: [], body: [])
        await #expect(throws: WebhookSendFailure.tlsFailed) { try await transport.send(request) }
        await listeners.connections.reach(1)
        #expect(server.questions.all == ["hooks.example.com"])
        try await server.stop()
        try await listeners.stop()
    }
}

@Suite(.timeLimit(.minutes(2))) struct SystemWebhookResolverTests {
    @Test func itGivesAllAddressesWithThePort() async throws {
        let resolver = SystemWebhookResolver(threads: 1)
        let addresses = try await resolver.addresses(of: "localhost", port: 4711)
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { ["127.0.0.1", "::1"].contains($0.ipAddress) && $0.port == 4711 })
        // One of each: not one for each kind of socket.
        #expect(Set(addresses).count == addresses.count)
    }

    @Test func whatIsNoNameIsUnresolved() async throws {
        let resolver = SystemWebhookResolver(threads: 1)
        await #expect(throws: WebhookSendFailure.unresolved) { try await resolver.addresses(of: "a..b", port: 1) }
        try await resolver.shutdown()
        await #expect(throws: WebhookSendFailure.unresolved) { try await resolver.addresses(of: "localhost", port: 1) }
    }

    @Test func moreLookupsThanTheLimitFailAtOnce() async throws {
        let resolver = SystemWebhookResolver(threads: 1, maxLookups: 0)
        await #expect(throws: WebhookSendFailure.unresolved) { try await resolver.addresses(of: "localhost", port: 1) }
        try await resolver.shutdown()
        let one = SystemWebhookResolver(threads: 1, maxLookups: 1)
        // Places become free again.
        for _ in 0..<5 { try await eventually { (try? await one.addresses(of: "localhost", port: 1)) != nil } }
        try await one.shutdown()
    }
}
