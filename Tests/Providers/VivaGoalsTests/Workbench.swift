import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import SandboxBench
import ScriptedHost
import Testing
import UpstreamHTTP
import VivaGoals

typealias Workbench = AdapterBench<VivaGoalsProvider>

extension AdapterBench<VivaGoalsProvider> {
    static var context: CallContext {
        var context = CallContext.test
        context.authorization = Secret(SandboxSeed.delegatedToken)
        return context
    }

    /// Runs `work` with a provider for this API root.
    static func run<Value>(
        at origin: String,
        openHosts: [String] = [],
        asksForRanges: Bool = false,
        time: any TimeSource = SystemTime(),
        _ work: (Workbench) async throws -> Value
    ) async throws -> Value {
        let settings = VivaGoalsSettings(
            apiRoot: try #require(UpstreamURL(origin)),
            openHosts: openHosts.compactMap { UpstreamURL($0) }.map { .origin(of: $0) },
            asksForRanges: asksForRanges
        )
        return try await run(
            UpstreamClient.Settings(
                connection: "goals",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts
            ),
            tokens: .callers(),
            time: time,
            context: context,
            makeProvider: { VivaGoalsProvider(settings: settings, client: $0) },
            work
        )
    }

    /// Runs `work` with a provider on a sandbox whose clock stands still.
    static func runOnSandbox(_ work: (Workbench, MicrosoftSandbox, ManualTime) async throws -> Void) async throws {
        try await SandboxBench.run { host in
            try await run(at: host.addresses.api, time: host.clientsTime) { bench in
                try await work(bench, host.sandbox, host.clock)
            }
        }
    }

    private static var options: JSONValue { ["explorerViewUrl": .string(viewAddress)] }

    /// A marker whose first attempt was at this time.
    static func marker(notBefore: Timestamp = Timestamp(milliseconds: 0)) -> SubmissionMarker {
        .test(name: "Goals of 2025", notBefore: notBefore)
    }

    /// Validates and starts an export.
    func submit(_ options: JSONValue = options) async throws -> Submission {
        try await submit(options, as: Self.marker())
    }

    /// Looks for a job that was started at this time or later.
    func reconcile(notBefore: Timestamp, others: OtherExports = .none) async throws -> Submission? {
        try await reconcile(Self.options, as: Self.marker(notBefore: notBefore), others: others)
    }
}
