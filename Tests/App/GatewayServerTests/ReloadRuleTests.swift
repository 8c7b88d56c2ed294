import Exports
import Foundation
import Testing

@testable import GatewayServer

/// The table of the article Reload is the one of the code, and it speaks of every key.
@Suite struct ReloadRuleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test func theArticleHasTheRulesOfTheCode() throws {
        let article = try Self.text("Sources/App/GatewayServer/Documentation.docc/Reload.md")
        let rows = article.matches(of: #/\n\| `([\w.\[\]]+)` \| (applied|depends|restart) \| ([^\n]*)\|/#)
        let told = rows.map { "\($0.1) \($0.2)" }
        #expect(told == ReloadRule.all.map { "\($0.key) \($0.effect.rawValue)" })
        // What depends on something is explained.
        for row in rows where row.2 == "depends" { #expect(row.3.count > 20, "\(row.1)") }
    }

    @Test func noKeyHasTwoRules() {
        #expect(Set(ReloadRule.all.map(\.key)).count == ReloadRule.all.count)
    }

    /// Every key that is read from the example and from the articles of all providers. A key that is new has to have a rule.
    @Test func everyKeyHasARule() throws {
        var texts = [try Self.text("Deploy/gateway.example.yaml")]
        let providers = Self.root.appending(path: "Sources/Providers")
        for path in try FileManager.default.subpathsOfDirectory(atPath: providers.path)
        where path.contains(#/Documentation\.docc/Connection-\w+\.md$/#) {
            let article = try Self.text("Sources/Providers/\(path)")
            let yaml = try #require(article.firstMatch(of: #/```yaml\n(?<yaml>[\s\S]+?)\n```/#)).output.yaml
            texts.append("ledger:\n  path: /var/lib/export-gateway/ledger.sqlite\n\(yaml)")
        }
        var keys: Set<String> = []
        for text in texts {
            let names = text.matches(of: #/env:([A-Z_]+)/#).map { String($0.1) }
            let environment = OperatorEnvironment(variables: Dictionary(names.map { ($0, "value") }) { $1 }) { _ in
                "value"
            }
            let configuration = try GatewayConfiguration(yaml: text, environment)
            keys.formUnion(configuration.keys.values.keys)
        }
        #expect(keys.count > 80)
        for key in keys {
            let pattern = ConfigurationChange(key: key, whole: nil).pattern
            #expect(ReloadRule.all.contains { $0.covers(pattern) }, "\(key)")
        }
    }

    @Test func theLongerRuleCounts() {
        #expect(ReloadRule.effect(of: "server.tls.certificate") == .restart)
        #expect(ReloadRule.effect(of: "server.tls.callers[].subject") == .applied)
        #expect(ReloadRule.effect(of: "connections[].credential.clientSecret") == .applied)
        #expect(ReloadRule.effect(of: "connections[].credential.clientId") == .restart)
        #expect(ReloadRule.effect(of: "connections[].apiURL") == .restart)
        #expect(ReloadRule.effect(of: "server.limitsOfNobody") == .restart)
        #expect(ReloadRule.effect(of: "unheardOf") == .restart)
    }
}
