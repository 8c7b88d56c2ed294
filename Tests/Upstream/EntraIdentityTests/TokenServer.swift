import CoreMetrics
import Exports
import Foundation
import InMemoryLogging
import Logging
import ManualClock
import NIOCore
import NIOPosix
import Synchronization
import Testing
import UpstreamHTTP
@testable import EntraIdentity

/// A token endpoint on loopback that answers when the test says so.
final class TokenServer: Sendable {
    /// One token request, waiting for its answer.
    struct Call: Sendable {
        var target: String
        /// The request's head, as it came.
        var head: String
        var form: String

        /// The form's parameters, decoded.
        var parameters: [String: String] {
            let pairs = form.split(separator: "&")
                .map { pair -> (String, String) in
                    let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                        .map { $0.removingPercentEncoding ?? "" }
                    return (parts[0], parts.count > 1 ? parts[1] : "")
                }
            return Dictionary(pairs) { $1 }
        }

        fileprivate var channel: any Channel

        func grant(_ token: String, expiresIn: Int = 3600) {
            reply(200, #"{"token_type":"Bearer","expires_in":\#(expiresIn),"access_token":"\#(token)"}"#)
        }

        func reply(_ status: Int, _ body: String, _ fields: String = "") {
            let text = "HTTP/1.1 \(status) -\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
            channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
        }

        func cut() { channel.close(promise: nil) }
    }

    private struct State {
        var calls: [Call] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var calls: [Call] { state.withLock { $0.calls } }

    /// The call of this number, from 0, once it is there.
    func call(_ index: Int) async -> Call {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.calls.count > index { return true }
                state.waiters.append((index + 1, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
        return calls[index]
    }

    private func add(_ call: Call) {
        let ready = state.withLock { state in
            state.calls.append(call)
            let ready = state.waiters.filter { $0.count <= state.calls.count }
            state.waiters.removeAll { $0.count <= state.calls.count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Runs `test` with a source of tokens from this server, by a client secret.
    static func with(test: (TokenServer, EntraTokenSource, ManualTime, InMemoryLogHandler) async throws -> Void)
        async throws
    {
        try await serve { server, authority, client, time, logs async throws in
            let source = EntraTokenSource(
                endpoint: TokenEndpoint(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "client-id",
                    credential: .clientSecret(SecretSource(Secret("s3cret &+"))),
                    client: client
                ),
                time: time
            )
            try await test(server, source, time, logs)
        }
    }

    /// Runs `test` with a source of users' tokens from this server, by a client secret.
    static func onBehalfOf(
        keepsRefreshTokens: Bool = false,
        capacity: Int = 10,
        test: (TokenServer, OnBehalfOfTokenSource, ManualTime) async throws -> Void
    ) async throws {
        try await serve { server, authority, client, time, _ async throws in
            let source = OnBehalfOfTokenSource(
                endpoint: TokenEndpoint(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "client-id",
                    credential: .clientSecret(SecretSource(Secret("s3cret"))),
                    client: client
                ),
                time: time,
                keepsRefreshTokens: keepsRefreshTokens,
                capacity: capacity
            )
            try await test(server, source, time)
        }
    }

    /// Runs `test` with this server's address, and a client that may call it.
    static func serve(
        test: (TokenServer, UpstreamURL, UpstreamClient, ManualTime, InMemoryLogHandler) async throws -> Void
    ) async throws {
        let server = TokenServer()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(server: server))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let transport = UpstreamTransport()
        let authority = try #require(UpstreamURL("http://127.0.0.1:\(channel.localAddress?.port ?? 0)"))
        let time = ManualTime()
        var logs = InMemoryLogHandler()
        logs.logLevel = .trace
        let handler = logs
        let client = UpstreamClient(
            settings: .init(connection: "entra", bearerHosts: [:], openHosts: [.origin(of: authority)]),
            transport: transport,
            tokens: PassThroughTokenSource(scope: TokenScope("none")),
            time: time,
            logger: Logger(label: "test") { _ in handler },
            metrics: NOOPMetricsHandler.instance
        )
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await test(server, authority, client, time, logs))
        } catch {
            outcome = .failure(error)
        }
        try await transport.shutdown()
        try await channel.close()
        try outcome.get()
    }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let server: TokenServer
        private var received = ""

        init(server: TokenServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += String(buffer: unwrapInboundIn(data))
            guard let end = received.firstRange(of: "\r\n\r\n") else { return }
            let head = String(received[..<end.lowerBound])
            var length = 0
            if let field = head.lowercased().firstRange(of: "content-length: ") {
                length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
            }
            guard received[end.upperBound...].utf8.count >= length else { return }
            server.add(
                Call(
                    target: String(head.split(separator: " ")[1]),
                    head: head,
                    form: String(received[end.upperBound...]),
                    channel: context.channel
                )
            )
            received = ""
        }
    }
}
