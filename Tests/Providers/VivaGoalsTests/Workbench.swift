import CoreMetrics
import Exports
import JSON
import Logging
import ManualClock
import MicrosoftSandbox
import NIOCore
import Testing
import UpstreamHTTP
import VivaGoals

/// A provider on a connection over real sockets.
struct Workbench: Sendable {
    let provider: VivaGoalsProvider

    static let context = CallContext(
        requestID: "c1d2e3f4-0000-4000-8000-000000000001",
        authorization: Secret(SandboxSeed.delegatedToken)
    )

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
        let transport = UpstreamTransport()
        let client = UpstreamClient(
            settings: UpstreamClient.Settings(
                connection: "goals",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts
            ),
            transport: transport,
            tokens: CallersToken(),
            time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        let bench = Workbench(provider: VivaGoalsProvider(settings: settings, client: client))
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work(bench)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        return try outcome.get()
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
            try await run(at: api, time: time) { bench in try await work(bench, sandbox, time) }
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
    }

    /// A marker whose first attempt was at this time.
    static func marker(notBefore: Timestamp = Timestamp(milliseconds: 0)) throws -> SubmissionMarker {
        SubmissionMarker(
            exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
            exportName: "Goals of 2025",
            notBefore: notBefore
        )
    }

    /// Validates and starts an export.
    func submit(_ options: JSONValue = ["explorerViewUrl": .string(viewAddress)]) async throws -> Submission {
        try await provider.submit(
            provider.validate(options).plan,
            secrets: [:],
            marker: Self.marker(),
            context: Self.context
        )
    }

    /// Looks for a job that was started at this time or later.
    func reconcile(notBefore: Timestamp, others: OtherExports = .none) async throws -> Submission? {
        try await provider.reconcile(
            provider.validate(["explorerViewUrl": .string(viewAddress)]).plan,
            marker: Self.marker(notBefore: notBefore),
            others: others,
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
    func open(_ reference: UpstreamReference, range: FileRange? = nil) async throws -> FileBody {
        try await provider.open(ExportFile(id: "1", name: "x.csv"), of: reference, range: range, context: Self.context)
    }
}

/// The token that the caller gave, and no other.
struct CallersToken: AccessTokenSource {
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        guard let token = context.authorization, rejected == nil else {
            throw ProviderError(.unauthenticated, "No token.", problem: .upstreamAuthorizationRequired)
        }
        return AccessToken(token)
    }
}
