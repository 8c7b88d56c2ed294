import ExportEngine
import Exports
import Testing

@testable import GatewayServer

/// `retention`.
@Suite struct RetentionConfigurationTests {
    private static let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

    private func configuration(_ text: String, _ more: String = "") throws -> GatewayConfiguration {
        let yaml = """
            ledger:
              path: /var/lib/export-gateway/ledger.sqlite
            connections:
              - name: bi
                provider: power-bi
                credential: { type: clientSecret, tenantId: \(Self.tenant), clientId: \(Self.tenant), clientSecret: "env:SECRET" }
            retention: \(text)
            \(more)
            """
        return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"])
    }

    @Test func nothingIsPurgedByDefault() throws {
        let settings = try configuration("{}").retention
        #expect(settings == RetentionSettings() && !settings.isActive)
    }

    @Test func theFirstRuleDecides() throws {
        let settings = try configuration(
            """
            { rules: [
                { provider: graph-ediscovery, after: never }, { status: [failed, canceled], after: 30d }, { after: 730d }
              ], changes: 12h, tombstones: 3650d }
            """
        )
        .retention
        #expect(settings.isActive)
        #expect(settings.age(of: ProviderID("graph-ediscovery"), .failed) == nil)
        #expect(settings.age(of: ProviderID("power-bi"), .canceled) == .seconds(30 * 86_400))
        #expect(settings.age(of: ProviderID("power-bi"), .expired) == .seconds(730 * 86_400))
        #expect(settings.changes == .seconds(12 * 3600))
        #expect(settings.tombstones == .seconds(3650 * 86_400))
        #expect(
            try configuration("{ rules: [{ status: failed, after: 1d }] }").retention.rules[0].statuses == [.failed]
        )
    }

    @Test(
        arguments: [
            ("{ rules: { after: 1d } }", "retention.rules"), ("{ rules: [{}] }", "retention.rules[0].after"),
            ("{ rules: [{ after: 0s }] }", "retention.rules[0].after"),
            ("{ rules: [{ after: 30 }] }", "retention.rules[0].after"),
            ("{ rules: [{ after: forever }] }", "retention.rules[0].after"),
            ("{ rules: [{ provider: powerbi, after: 1d }] }", "retention.rules[0].provider"),
            ("{ rules: [{ status: [running], after: 1d }] }", "retention.rules[0].status"),
            ("{ rules: [{ status: [], after: 1d }] }", "retention.rules[0].status"),
            ("{ rules: [{ status: , after: 1d }] }", "retention.rules[0].status"),
            ("{ rules: [{ provider: , after: 1d }] }", "retention.rules[0].provider"),
            ("{ rules: [{ age: 1d }] }", "retention.rules[0].after"),
            ("{ rules: [{ after: 1d, age: 1d }] }", "retention.rules[0].age"),
            ("{ rules: [{ after: 9d }, { status: [failed], after: 1d }] }", "retention.rules[1].after"),
            ("{ changes: 59m }", "retention.changes"), ("{ tombstones: 30d }", "retention.tombstones"),
            ("{ changes: 30d, tombstones: 20d }", "retention.tombstones"),
            ("{ changes: never, tombstones: 20d }", "retention.tombstones"),
            ("{ changes: 1h, tombstones: 47h }", "retention.tombstones"), ("{ exports: 1d }", "retention.exports"),
        ]
    )
    func aMistakeNamesItsKey(text: String, key: String) throws {
        let error = #expect(throws: StartupError.self) { try configuration(text) }
        #expect(error?.key == key)
    }

    @Test func changesStayAsLongAsWebhooksMayWantThem() throws {
        let sealing = """
            sealing:
              keys: [{ id: one, key: "env:SEALING" }]
            """
        func read(_ text: String, _ more: String = "") throws -> GatewayConfiguration {
            let yaml = """
                ledger: { path: /var/lib/export-gateway/ledger.sqlite }
                connections:
                  - name: bi
                    provider: power-bi
                    credential: { type: clientSecret, tenantId: \(Self.tenant), clientId: \(Self.tenant), clientSecret: "env:SECRET" }
                retention: \(text)
                \(more)
                """
            let key = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
            return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value", "SEALING": key])
        }
        let error = #expect(throws: StartupError.self) { try read("{ changes: 29d }", sealing) }
        #expect(error?.key == "retention.changes")
        #expect(try read("{ changes: 30d }", sealing).retention.changes == .seconds(30 * 86_400))
        let off = sealing + "\nwebhooks: { enabled: false }"
        #expect(try read("{ changes: 1h }", off).retention.changes == .seconds(3600))
    }
}
