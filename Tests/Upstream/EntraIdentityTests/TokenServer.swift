import CoreMetrics
import Exports
import Foundation
import InMemoryLogging
import Logging
import ManualClock
import ScriptedHost
import Testing
import TestSupport
import UpstreamHTTP
@testable import EntraIdentity

/// A token endpoint on loopback that answers when the test says so.
struct TokenServer: Sendable {
    typealias Call = RawServer.Call

    fileprivate let server: RawServer

    var calls: [Call] { server.calls }

    /// The call of this number, from 0, once it is there.
    func call(_ index: Int) async -> Call {
        await server.log.calls.reach(index + 1)
        return calls[index]
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
        let server = try await RawServer.start { _, _ in [] }
        let transport = UpstreamTransport()
        let authority = try #require(UpstreamURL("http://127.0.0.1:\(server.port)"))
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
            outcome = .success(try await test(TokenServer(server: server), authority, client, time, logs))
        } catch {
            outcome = .failure(error)
        }
        try await transport.shutdown()
        try await server.stop()
        try outcome.get()
    }
}

extension RawServer.Call {
    /// The parameters of the form in the body, decoded.
    var parameters: [String: String] {
        let pairs = body.split(separator: "&")
            .map { pair -> (String, String) in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    .map { $0.removingPercentEncoding ?? "" }
                return (parts[0], parts.count > 1 ? parts[1] : "")
            }
        return Dictionary(pairs) { $1 }
    }

    func grant(_ token: String, expiresIn: Int = 3600) {
        reply(200, #"{"token_type":"Bearer","expires_in":\#(expiresIn),"access_token":"\#(token)"}"#)
    }

    /// - Parameter fields: Further lines of the head, each with its end.
    func reply(_ status: Int, _ body: String, _ fields: String = "") {
        send([.text("HTTP/1.1 \(status) -\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")])
    }

    func cut() { send([.close]) }
}
