import Exports
import ManualClock
import MicrosoftSandbox
import PowerBI
import SandboxBench
import ScriptedHost
import Testing
import UpstreamHTTP

typealias Workbench = AdapterBench<PowerBIProvider>

extension AdapterBench<PowerBIProvider> {
    static var context: CallContext { .test }

    /// Runs `work` with a provider for this API root.
    static func run<Value>(
        at origin: String,
        openHosts: [String] = [],
        asksForRanges: Bool = false,
        time: any TimeSource = SystemTime(),
        tokens: IssuedTokens = .numbered(),
        _ work: (Workbench) async throws -> Value
    ) async throws -> Value {
        let settings = PowerBISettings(
            apiRoot: try #require(UpstreamURL(origin)),
            profileID: "0f0e0d0c-0b0a-4908-8706-050403020100",
            openHosts: openHosts.compactMap { UpstreamURL($0) }.map { .origin(of: $0) },
            asksForRanges: asksForRanges
        )
        return try await run(
            UpstreamClient.Settings(
                connection: "reports",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts
            ),
            tokens: tokens,
            time: time,
            makeProvider: { PowerBIProvider(settings: settings, client: $0) },
            work
        )
    }

    /// Runs `work` with a provider on a sandbox whose clock stands still.
    static func runOnSandbox(_ work: (Workbench, MicrosoftSandbox, ManualTime) async throws -> Void) async throws {
        try await SandboxBench.run { host in
            let source = host.applicationTokens
            let tokens = IssuedTokens(isKept: true) {
                (scope, context, rejected) async throws(ProviderError) -> String in
                try await source.accessToken(for: scope, context: context, replacing: rejected).secret.reveal()
            }
            try await run(at: host.addresses.api, time: host.clientsTime, tokens: tokens) { bench in
                try await work(bench, host.sandbox, host.clock)
            }
        }
    }
}
