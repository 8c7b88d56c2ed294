import Exports
import Foundation
import Testing

@testable import GatewayServer

/// The configurations that operators copy from are valid and explain every key: the example, and an article of each provider.
@Suite struct ExampleTests {
    @Test func theExampleIsValid() throws {
        #expect(throws: Never.self) { try configuration(Self.example()) }
    }

    @Test func eachProviderHasAnArticle() throws {
        let articles = try Self.articles()
        #expect(articles.count == Adapter.all.count)
        let shown = try articles.flatMap { try configuration(Self.inFile($0)).connections.map(\.provider) }
        #expect(Set(shown) == Set(Adapter.all.map(\.descriptor.id)))
    }

    /// The keys that a connection may have are told by the refusal of another key.
    @Test func everyKeyOfAConnectionIsExplained() throws {
        let example = try Self.example()
        for article in try Self.articles() {
            let yaml = Self.inFile(article) + "\n    noSuchKey: 1\n"
            let refusal = #expect(throws: StartupError.self) { try configuration(yaml) }
            let detail = try #require(refusal?.detail)
            let known = try #require(detail.firstMatch(of: #/known are ([\w, ]+\w)/#)).1.split(separator: ", ")
            #expect(known.count > 8)
            for key in known {
                let isExplained = [article, example]
                    .contains { text in
                        text.contains("\n    \(key):") || text.contains("\n  - \(key):")
                    }
                #expect(isExplained, "\(key) of \(article)")
            }
        }
    }

    private func configuration(_ yaml: String) throws -> GatewayConfiguration {
        let names = yaml.matches(of: #/env:([A-Z_]+)/#).map { String($0.1) }
        let variables = Dictionary(names.map { ($0, "value") }) { $1 }
        return try GatewayConfiguration(yaml: yaml, OperatorEnvironment(variables: variables) { _ in "value" })
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")

    private static func example() throws -> String {
        try String(contentsOf: root.appending(path: "Deploy/gateway.example.yaml"), encoding: .utf8)
    }

    /// The YAML of each provider's article `Connection-…`.
    private static func articles() throws -> [String] {
        let providers = root.appending(path: "Sources/Providers")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: providers.path)
        return try paths.filter { $0.contains(#/Documentation\.docc/Connection-\w+\.md$/#) }.sorted()
            .map { path in
                let text = try String(contentsOf: providers.appending(path: path), encoding: .utf8)
                return String(try #require(text.firstMatch(of: #/```yaml\n(?<yaml>[\s\S]+?)\n```/#)).output.yaml)
            }
    }

    /// The connections of an article in a whole file.
    private static func inFile(_ connections: String) -> String {
        "ledger:\n  path: /var/lib/export-gateway/ledger.sqlite\n\(connections)"
    }
}
