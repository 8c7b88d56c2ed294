import Exports
import Intune
import ScriptedHost
import Testing
import UpstreamHTTP

typealias Workbench = AdapterBench<IntuneProvider>

extension AdapterBench<IntuneProvider> {
    static var context: CallContext { .test }

    /// Runs `work` with a provider for these servers. Graph and storage are told apart by their ports.
    static func run<Value>(
        graph: String,
        storage: String? = nil,
        budget: RequestBudget? = nil,
        settings: IntuneSettings = IntuneSettings(),
        _ work: (Workbench) async throws -> Value
    ) async throws -> Value {
        var settings = settings
        settings.apiRoot = try #require(UpstreamURL(graph))
        settings.blobHosts = try [storage].compactMap(\.self).map { .origin(of: try #require(UpstreamURL($0))) }
        return try await run(
            UpstreamClient.Settings(
                connection: "devices",
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts,
                budget: budget
            ),
            makeProvider: { [settings] in IntuneProvider(settings: settings, client: $0) },
            work
        )
    }
}
