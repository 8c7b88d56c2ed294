import CoreMetrics
import Exports
import InMemoryLogging
import Logging
import ManualClock
import NIOCore
import ScriptedHost
import Spans
import Synchronization
import Testing
import UpstreamHTTP

/// A raw server and a client that may call it, for the length of one test.
struct Upstream: Sendable {
    static let scope = TokenScope("api://test/.default")

    let server: RawServer
    let client: UpstreamClient
    let tokens: ScriptedTokens
    /// Its pauses are skipped.
    let time: ManualTime
    let logs: InMemoryLogHandler

    var url: UpstreamURL { get throws { try #require(UpstreamURL("http://127.0.0.1:\(server.port)")) } }
    let context = CallContext(requestID: "11111111-2222-3333-4444-555555555555")

    func request(_ method: UpstreamRequest.Method, _ path: String = "/thing", bearer: Bool = false) throws
        -> UpstreamRequest
    {
        UpstreamRequest(
            "test.call",
            method,
            try #require(UpstreamURL("http://127.0.0.1:\(server.port)" + path)),
            bearer: bearer ? Self.scope : nil
        )
    }

    func send(_ request: UpstreamRequest) async throws(ProviderError) -> UpstreamResponse {
        try await client.send(request, context: context)
    }

    func download(
        _ request: UpstreamRequest,
        range: FileRange? = nil,
        expectedLength: Int64? = nil,
        redirects: [HostRule] = []
    ) async throws(ProviderError) -> UpstreamDownload {
        try await client.download(
            request,
            range: range,
            expectedLength: expectedLength,
            redirects: redirects,
            context: context
        )
    }

    /// Runs `test` with a server that follows `script`.
    static func with(
        tokens: [String] = ["token-1", "token-2"],
        ofUsers: Bool = false,
        openHosts: [HostRule] = [],
        budget: RequestBudget? = nil,
        patience: Duration = .seconds(10),
        connectTimeout: Duration = .seconds(10),
        idleTimeout: Duration = .seconds(300),
        connectionsPerHost: Int = 256,
        deadlines: ManualTime.Waits = .neverEnd,
        tracer: GatewayTracer = GatewayTracer(),
        tellsOfTraces: Bool = false,
        script: @escaping RawServer.Script,
        test: (Upstream) async throws -> Void
    ) async throws {
        let server = try await RawServer.start(script)
        let transport = UpstreamTransport(
            connectTimeout: connectTimeout,
            idleTimeout: idleTimeout,
            connectionsPerHost: connectionsPerHost
        )
        let origin = HostRule.origin(of: try #require(UpstreamURL("http://127.0.0.1:\(server.port)")))
        let (tokens, time) = (
            ScriptedTokens(tokens, actsForUsers: ofUsers), ManualTime(pauses: .moveTheClock, deadlines: deadlines)
        )
        var logs = InMemoryLogHandler()
        logs.logLevel = .trace
        let handler = logs
        let client = UpstreamClient(
            settings: .init(
                connection: "test",
                bearerHosts: [scope: [origin]],
                openHosts: openHosts,
                budget: budget,
                patience: patience,
                tracedHosts: tellsOfTraces ? [origin] : []
            ),
            transport: transport,
            tokens: tokens,
            time: time,
            logger: Logger(label: "test") { _ in handler },
            metrics: NOOPMetricsHandler.instance,
            jitter: { 0.5 },
            tracer: tracer
        )
        let upstream = Upstream(server: server, client: client, tokens: tokens, time: time, logs: logs)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await test(upstream)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        try await server.stop()
        try outcome.get()
    }
}

/// Hands out its tokens in order, each until it is rejected, and notes who asked.
final class ScriptedTokens: AccessTokenSource {
    let actsForUsers: Bool
    private let state: Mutex<(left: [String], asked: Int, rejected: [String])>

    init(_ tokens: [String], actsForUsers: Bool = false) {
        self.actsForUsers = actsForUsers
        state = Mutex((tokens, 0, []))
    }

    var asked: Int { state.withLock { $0.asked } }
    var rejected: [String] { state.withLock { $0.rejected } }

    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        let token = state.withLock { state -> String? in
            state.asked += 1
            if let rejected {
                state.rejected.append(rejected.secret.reveal())
                state.left.removeAll { $0 == rejected.secret.reveal() }
            }
            return state.left.first
        }
        guard let token else {
            throw actsForUsers
                ? ProviderError(.unauthenticated, "Bring another token.", problem: .upstreamAuthorizationRequired)
                : ProviderError(.unauthenticated, "The credential has expired.")
        }
        return AccessToken(Secret(token))
    }
}

/// Reads to the end or to the error.
func read(_ bytes: some AsyncSequence<ByteBuffer, any Error>) async -> (bytes: [UInt8], error: (any Error)?) {
    var read: [UInt8] = []
    do {
        for try await chunk in bytes { read += chunk.readableBytesView }
    } catch {
        return (read, error)
    }
    return (read, nil)
}
