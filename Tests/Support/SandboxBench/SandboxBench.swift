import CoreMetrics
public import Exports
import JSON
import Logging
public import ManualClock
public import MicrosoftSandbox
public import UpstreamHTTP

/// A sandbox that listens, on a clock that stands still, and clients that may call it.
public struct SandboxBench: Sendable {
    public let sandbox: MicrosoftSandbox
    /// The sandbox's clock.
    public let clock: ManualTime
    public let addresses: SandboxAddresses
    public let api: UpstreamURL
    public let proxy: UpstreamURL
    public let blob: UpstreamURL
    private let transport: UpstreamTransport

    /// Runs `work` with a sandbox of its own.
    public static func run(
        _ settings: SandboxSettings = SandboxSettings(),
        _ work: (SandboxBench) async throws -> Void
    ) async throws {
        let transport = UpstreamTransport()
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(
                try await running(settings) { sandbox, clock, addresses in
                    guard let api = UpstreamURL(addresses.api), let proxy = UpstreamURL(addresses.proxy),
                        let blob = UpstreamURL(addresses.blob)
                    else { throw ProviderError(.transient, "The sandbox does not listen.") }
                    let bench = SandboxBench(
                        sandbox: sandbox,
                        clock: clock,
                        addresses: addresses,
                        api: api,
                        proxy: proxy,
                        blob: blob,
                        transport: transport
                    )
                    try await work(bench)
                }
            )
        } catch {
            outcome = .failure(error)
        }
        try await transport.shutdown()
        try outcome.get()
    }

    /// Runs `work` with a sandbox that listens, and nothing else.
    public static func running(
        _ settings: SandboxSettings = SandboxSettings(),
        clock: ManualTime = ManualTime(),
        _ work: (MicrosoftSandbox, ManualTime, SandboxAddresses) async throws -> Void
    ) async throws {
        let sandbox = MicrosoftSandbox(settings: settings, time: clock, logger: Self.logger)
        let outcome = await withTaskGroup(of: Void.self) { group -> Result<Void, any Error> in
            group.addTask {
                // An address that cannot be bound is shown as port 0.
                try? await sandbox.run()
            }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await work(sandbox, clock, await sandbox.addresses()))
            } catch {
                outcome = .failure(error)
            }
            group.cancelAll()
            return outcome
        }
        try outcome.get()
    }

    /// The sandbox's clock as its clients see it: they do not pause, and their calls have no time limits.
    public var clientsTime: any TimeSource { clock.with(pauses: .endAtOnce, deadlines: .neverEnd) }

    /// A client with a budget of its own. It does not pause, and its calls have no time limits.
    public func client(
        bearerHosts: [TokenScope: [HostRule]],
        openHosts: [HostRule] = [],
        tokens: any AccessTokenSource
    ) -> UpstreamClient {
        UpstreamClient(
            settings: UpstreamClient.Settings(connection: "bench", bearerHosts: bearerHosts, openHosts: openHosts),
            transport: transport,
            tokens: tokens,
            time: clientsTime,
            logger: Self.logger,
            metrics: NOOPMetricsHandler.instance
        )
    }

    /// The sandbox's application: a new token for every call.
    public var applicationTokens: any AccessTokenSource {
        ApplicationTokens(
            client: client(bearerHosts: [:], openHosts: [.origin(of: api)], tokens: CallersToken()),
            url: api.appending(path: [SandboxSeed.tenantID, "oauth2", "v2.0", "token"])
        )
    }

    /// The token that travels in the call's context.
    public var callersToken: any AccessTokenSource { CallersToken() }

    private static var logger: Logger { Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() } }
}

private struct ApplicationTokens: AccessTokenSource {
    let client: UpstreamClient
    let url: UpstreamURL

    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        var request = UpstreamRequest("bench.token", .post, url)
        request.form = [
            FormField("grant_type", open: "client_credentials"), FormField("client_id", open: SandboxSeed.clientID),
            FormField("client_secret", Secret(SandboxSeed.clientSecret)), FormField("scope", open: scope.rawValue),
        ]
        let response = try await client.send(request, context: context)
        guard let token = response.json?["access_token"]?.string else {
            throw ProviderError(.unauthenticated, "The sandbox gives no token: \(response.status).")
        }
        return AccessToken(Secret(token))
    }
}

private struct CallersToken: AccessTokenSource {
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        guard let token = context.authorization, token != rejected?.secret else {
            throw ProviderError(.unauthenticated, "The caller has no other token.")
        }
        return AccessToken(token)
    }
}
