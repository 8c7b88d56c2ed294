import Exports
import Foundation
import GraphEDiscovery
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

/// A provider on a connection to three scripted hosts: Graph, the download proxy and a blob host.
struct Workbench: Sendable {
    let graph: ScriptedUpstream
    let proxy: ScriptedUpstream
    let blob: ScriptedUpstream
    private let adapter: AdapterBench<GraphEDiscoveryProvider>
    var provider: GraphEDiscoveryProvider { adapter.provider }

    static let caseID = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
    static let reviewSetID = "ac6dd8b7-4f5f-4f3f-9d3a-6e1c0f1a2b3c"
    static let searchID = "5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"
    static let operationID = "01826ce3-43a3-4235-a121-81d05926efae"
    static let context = CallContext.test
    static let marker = marker(notBefore: "2026-07-02T09:15:00Z")

    static func marker(notBefore: String) -> SubmissionMarker { .test(notBefore: Timestamp(rfc3339: notBefore)!) }

    static func reference(_ id: String = operationID, _ more: [String: String] = [:]) -> UpstreamReference {
        UpstreamReference(id: id, context: ["caseId": caseID].merging(more) { $1 })
    }

    static let reviewSetOptions: JSONValue = [
        "caseId": .string(caseID), "reviewSetId": .string(reviewSetID), "outputName": "Contoso",
        "description": "For the investigation",
    ]

    /// Runs `work` with the hosts up, and takes them down again.
    static func run(
        _ dialect: GraphEDiscoverySettings.Dialect = .security,
        budget: RequestBudget? = nil,
        time: any TimeSource = SystemTime(),
        _ work: (Workbench) async throws -> Void
    ) async throws {
        try await ScriptedUpstream.run { graph in
            try await ScriptedUpstream.run { proxy in
                try await ScriptedUpstream.run { blob in
                    let settings = GraphEDiscoverySettings(
                        apiRoot: try #require(UpstreamURL(graph.origin)),
                        dialect: dialect,
                        proxyHosts: [.origin(of: try #require(UpstreamURL(proxy.origin)))],
                        blobHosts: [.origin(of: try #require(UpstreamURL(blob.origin)))]
                    )
                    try await AdapterBench<GraphEDiscoveryProvider>
                        .run(
                            UpstreamClient.Settings(
                                connection: "purview",
                                bearerHosts: settings.bearerHosts,
                                openHosts: settings.openHosts,
                                budget: budget,
                                patience: .seconds(5)
                            ),
                            tokens: Self.scopedTokens,
                            time: time,
                            makeProvider: { GraphEDiscoveryProvider(settings: settings, client: $0) }
                        ) { adapter in
                            try await work(Workbench(graph: graph, proxy: proxy, blob: blob, adapter: adapter))
                        }
                }
            }
        }
    }

    func submit(
        _ options: JSONValue,
        secrets: [String: Secret]? = nil
    ) async throws -> Submission {
        try await adapter.submit(options, secrets: secrets, as: Self.marker)
    }

    /// A token for each scope, and other ones when they are refused.
    private static var scopedTokens: IssuedTokens {
        IssuedTokens { (scope, _, rejected) async throws(ProviderError) -> String in
            let name = scope.rawValue.hasPrefix("https://graph.microsoft.com") ? "graph-token" : "download-token"
            return rejected == nil ? name : name + "-renewed"
        }
    }
}

/// The bodies that Microsoft's pages and users' reports show.
enum Fixture {
    static func text(_ name: String) throws -> String {
        let folder = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
        return try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    static func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: Data(text(name).utf8)) }

    static var names: [String] {
        get throws {
            let folder = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        }
    }
}
