import Exports
import InMemoryLogging
import Logging
import ManualClock
import MetricsTestKit
import NIOCore
import NIOSSL
import ScriptedHost
import TestSupport
import Testing

@testable import UpstreamHTTP

/// An upstream with TLS, under a name that no resolver knows, and what is needed to reach it.
struct EgressBench: Sendable {
    static let name = "upstream.test"

    let server: RawServer
    let files: CertificateFiles
    /// Where the connections of the upstream came from.
    let peers: Events<String>
    /// A transport without a proxy, that trusts nobody but the system.
    let base: UpstreamTransport
    let logs: InMemoryLogHandler
    let metrics = TestMetrics()

    /// Runs `test` with an upstream whose certificate is for `certificate`, such as `IP:127.0.0.1`.
    static func with(
        certificate: String = "DNS:upstream.test",
        connectTimeout: Duration = .seconds(10),
        script: @escaping RawServer.Script = { _, _ in [RawServer.answer(200, body: "{}")] },
        test: (EgressBench) async throws -> Void
    ) async throws {
        let files = try CertificateFiles()
        let (chain, key) = try files.issue(for: certificate)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            )
        )
        let peers = Events<String>()
        let server = try await RawServer.start(
            prepare: { channel in
                peers.add(channel.remoteAddress?.ipAddress ?? "")
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
            },
            script
        )
        var logs = InMemoryLogHandler()
        logs.logLevel = .trace
        let base = UpstreamTransport(connectTimeout: connectTimeout)
        let bench = EgressBench(server: server, files: files, peers: peers, base: base, logs: logs)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await test(bench)) } catch { outcome = .failure(error) }
        try await base.shutdown()
        try await server.stop()
        try outcome.get()
    }

    /// The address of the upstream, under its name or as another host.
    func url(_ host: String = name) throws -> UpstreamURL {
        try #require(UpstreamURL("https://\(host):\(server.port)/thing"))
    }

    /// A way out that trusts the upstream's authority, through the proxy at this port of this machine.
    func egress(proxy port: Int?, user: String? = nil, password: String = "") throws -> Egress {
        var egress = Egress()
        egress.authorities = TrustedAuthorities(pemFile: files.authority)
        if let port {
            egress.proxy = EgressProxy(
                url: try #require(UpstreamURL("http://127.0.0.1:\(port)")),
                credentials: user.map { .init(user: $0, password: Secret(password)) }
            )
        }
        return egress
    }

    /// Runs `test` with a client whose calls leave by `egress`. It may call every host of `hosts`.
    func leaving<Value: Sendable>(
        by egress: Egress,
        from base: UpstreamTransport? = nil,
        to hosts: [String] = [name],
        _ test: (UpstreamClient) async throws -> Value
    ) async throws -> Value {
        let transport = (base ?? self.base).leaving(by: egress)
        let handler = logs
        let client = UpstreamClient(
            settings: .init(
                connection: "test",
                bearerHosts: [:],
                openHosts: try hosts.map { .origin(of: try url($0)) }
            ),
            transport: transport,
            tokens: ScriptedTokens([]),
            time: ManualTime(pauses: .moveTheClock, deadlines: .neverEnd),
            logger: Logger(label: "test") { _ in handler },
            metrics: metrics,
            jitter: { 0.5 }
        )
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await test(client)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        return try outcome.get()
    }

    /// How often a proxy failed for this reason.
    func failures(_ reason: String) -> Int64 {
        let labels = [("connection", "test"), ("reason", reason)]
        return (try? metrics.expectCounter("export_gateway_proxy_failures_total", labels).totalValue) ?? 0
    }
}

extension UpstreamClient {
    func get(_ url: UpstreamURL) async throws(ProviderError) -> UpstreamResponse {
        try await send(UpstreamRequest("test.call", .get, url), context: CallContext(requestID: "r"))
    }

    func start(_ url: UpstreamURL) async throws(ProviderError) -> UpstreamResponse {
        var request = UpstreamRequest("test.start", .post, url)
        request.startsJob = true
        return try await send(request, context: CallContext(requestID: "r"))
    }
}
