import CoreMetrics
import Exports
import Intune
import JSON
import Logging
import ScriptedHost
import Testing
import UpstreamHTTP

/// A provider on a connection over real sockets: Graph and storage are two servers, told apart by their ports.
struct Workbench: Sendable {
    let provider: IntuneProvider

    static let context = CallContext(requestID: "c1d2e3f4-0000-4000-8000-000000000001")

    /// Runs `work` with a provider for these servers.
    static func run<Value>(
        graph: String,
        storage: String? = nil,
        budget: RequestBudget? = nil,
        time: any TimeSource = SystemTime(),
        settings: IntuneSettings = IntuneSettings(),
        _ work: (Workbench) async throws -> Value
    ) async throws -> Value {
        var settings = settings
        settings.apiRoot = try #require(UpstreamURL(graph))
        settings.blobHosts = try [storage].compactMap(\.self).map { .origin(of: try #require(UpstreamURL($0))) }
        let transport = UpstreamTransport()
        let client = UpstreamClient(
            settings: UpstreamClient.Settings(
                connection: "devices",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts,
                budget: budget
            ),
            transport: transport,
            tokens: OneToken(),
            time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        let bench = Workbench(provider: IntuneProvider(settings: settings, client: client))
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work(bench)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        return try outcome.get()
    }

    /// Validates and starts an export.
    func submit(_ options: JSONValue) async throws -> Submission {
        let validated = try provider.validate(options)
        let marker = SubmissionMarker(
            exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
            exportName: "Devices",
            notBefore: Timestamp(milliseconds: 0)
        )
        return try await provider.submit(validated.plan, secrets: [:], marker: marker, context: Self.context)
    }

    /// The present word on one job.
    func observe(_ reference: UpstreamReference) async throws -> Observation {
        let observations = await provider.observe([reference, reference], context: Self.context)
        #expect(observations.count == 1)
        return try #require(observations[reference]).get()
    }

    /// The only file of a finished job.
    func open(_ reference: UpstreamReference, range: FileRange? = nil) async throws -> FileBody {
        try await provider.open(
            ExportFile(id: "1", name: "x.zip"),
            of: reference,
            range: range,
            context: Self.context
        )
    }
}

private struct OneToken: AccessTokenSource {
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken { AccessToken(Secret("graph-token")) }
}
