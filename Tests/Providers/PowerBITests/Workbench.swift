import CoreMetrics
import Exports
import JSON
import Logging
import ManualClock
import MicrosoftSandbox
import NIOCore
import PowerBI
import ScriptedHost
import Synchronization
import Testing
import UpstreamHTTP

/// A provider on a connection over real sockets.
struct Workbench: Sendable {
    let provider: PowerBIProvider
    let tokens: CountingTokens

    static let context = CallContext(requestID: "c1d2e3f4-0000-4000-8000-000000000001")

    /// Runs `work` with a provider for this API root.
    static func run<Value>(
        at origin: String,
        openHosts: [String] = [],
        asksForRanges: Bool = false,
        time: any TimeSource = SystemTime(),
        tokens: @escaping @Sendable (UpstreamClient) -> CountingTokens = { _ in CountingTokens() },
        _ work: (Workbench) async throws -> Value
    ) async throws -> Value {
        let settings = PowerBISettings(
            apiRoot: try #require(UpstreamURL(origin)),
            profileID: "0f0e0d0c-0b0a-4908-8706-050403020100",
            openHosts: openHosts.compactMap { UpstreamURL($0) }.map { .origin(of: $0) },
            asksForRanges: asksForRanges
        )
        let transport = UpstreamTransport()
        let bare = client(settings, transport, tokens: CountingTokens(), time: time)
        let source = tokens(bare)
        let bench = Workbench(
            provider: PowerBIProvider(
                settings: settings,
                client: client(settings, transport, tokens: source, time: time)
            ),
            tokens: source
        )
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work(bench)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        return try outcome.get()
    }

    private static func client(
        _ settings: PowerBISettings,
        _ transport: UpstreamTransport,
        tokens: CountingTokens,
        time: any TimeSource
    ) -> UpstreamClient {
        UpstreamClient(
            settings: UpstreamClient.Settings(
                connection: "reports",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts
            ),
            transport: transport,
            tokens: tokens,
            time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
    }

    /// Runs `work` with a provider on a sandbox whose clock stands still.
    static func runOnSandbox(_ work: (Workbench, MicrosoftSandbox, ManualTime) async throws -> Void) async throws {
        let time = ManualTime()
        let sandbox = MicrosoftSandbox(
            time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await sandbox.run() }
            let api = await sandbox.addresses().api
            let address = api + "/\(SandboxSeed.tenantID)/oauth2/v2.0/token"
            let token = try #require(UpstreamURL(address))
            try await run(
                at: api,
                time: time,
                tokens: { client in CountingTokens { scope, context in try await issue(scope, context, token, client) }
                }
            ) { bench in
                try await work(bench, sandbox, time)
            }
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
    }

    private static func issue(
        _ scope: TokenScope,
        _ context: CallContext,
        _ url: UpstreamURL,
        _ client: UpstreamClient
    ) async throws -> String {
        var request = UpstreamRequest("entra-id.token", .post, url)
        request.form = [
            FormField("grant_type", open: "client_credentials"), FormField("client_id", open: SandboxSeed.clientID),
            FormField("client_secret", Secret(SandboxSeed.clientSecret)), FormField("scope", open: scope.rawValue),
        ]
        let response = try await client.send(request, context: context)
        return try #require(response.json?["access_token"]?.string)
    }

    /// Validates and starts an export.
    func submit(_ options: JSONValue) async throws -> Submission {
        let validated = try provider.validate(options)
        let marker = SubmissionMarker(
            exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
            exportName: "Sales",
            notBefore: Timestamp(milliseconds: 0)
        )
        return try await provider.submit(
            validated.plan,
            secrets: validated.secrets,
            marker: marker,
            context: Self.context
        )
    }

    /// The present word on one job.
    func observe(_ reference: UpstreamReference) async throws -> Observation {
        let observations = await provider.observe([reference, reference], context: Self.context)
        #expect(observations.count == 1)
        return try #require(observations[reference]).get()
    }

    /// The only file of a finished job.
    func open(
        _ reference: UpstreamReference,
        size: Int64? = nil,
        range: FileRange? = nil
    ) async throws -> FileBody {
        try await provider.open(
            ExportFile(id: "1", name: "x.pdf", size: size),
            of: reference,
            range: range,
            context: Self.context
        )
    }
}

/// Tokens of one kind, another one whenever one is refused.
final class CountingTokens: AccessTokenSource {
    private let state = Mutex((count: 0, token: String?.none))
    private let issue: @Sendable (TokenScope, CallContext) async throws -> String

    init(_ issue: (@Sendable (TokenScope, CallContext) async throws -> String)? = nil) {
        self.issue = issue ?? { _, _ in "" }
        isNumbered = issue == nil
    }

    private let isNumbered: Bool

    /// How many were issued.
    var count: Int { state.withLock { $0.count } }

    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        if rejected == nil, let token = state.withLock({ $0.token }) { return AccessToken(Secret(token)) }
        do {
            let issued = try await issue(scope, context)
            let token = state.withLock { state in
                state.count += 1
                state.token = isNumbered ? "token-\(state.count)" : issued
                return state.token ?? issued
            }
            return AccessToken(Secret(token))
        } catch {
            throw ProviderError(.unauthenticated, "No token.", cause: error)
        }
    }
}
