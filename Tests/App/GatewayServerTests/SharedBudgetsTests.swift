import CoreMetrics
import Exports
import Logging
import ManualClock
import Testing

@testable import GatewayServer

@Suite struct SharedBudgetsTests {
    private static let one = "22222222-2222-2222-2222-222222222222"
    private static let two = "33333333-3333-3333-3333-333333333333"

    private func budgets(_ connections: [String]) throws -> SharedBudgets {
        let yaml = (["ledger: { path: /tmp/ledger.sqlite }", "connections:"] + connections).joined(separator: "\n")
        let configuration = try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "s3same"])
        return SharedBudgets(
            configuration.connections,
            time: ManualTime(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
    }

    /// Who shares a budget with whom.
    private func sharing(_ connections: [String]) throws -> [[String]] {
        try budgets(connections).statuses.map(\.connections)
    }

    private func connection(
        _ name: String,
        _ tenant: String,
        _ client: String,
        provider: String = "power-bi"
    ) -> String {
        """
          - name: \(name)
            provider: \(provider)
            requestsPerMinute: 5
            credential: { type: clientSecret, tenantId: \(tenant), clientId: \(client), clientSecret: env:SECRET }
        """
    }

    @Test("fault C6: one tenant under two of its names has one budget")
    func aTenantHasManyNames() throws {
        let shared = try sharing([
            connection("a", "72f988bf-86f1-41af-91ab-2d7cd011db47", Self.one),
            connection("b", "contoso.onmicrosoft.com", Self.one.uppercased()),
            connection("c", "contoso.onmicrosoft.com", Self.two),
            connection("d", "contoso.com", Self.one, provider: "graph-ediscovery"),
        ])
        #expect(shared == [["d"], ["a", "b"], ["c"]])
    }
    /// All replicas must have the same name for a lease group, whatever order their connections are configured in.
    @Test func aGroupIsNamedByItsBudgetsOwner() throws {
        let connections = [
            connection("a", "72f988bf-86f1-41af-91ab-2d7cd011db47", Self.one),
            connection("b", "contoso.onmicrosoft.com", Self.one),
            connection("c", "contoso.onmicrosoft.com", Self.two, provider: "graph-ediscovery"),
            """
              - name: bi
                provider: power-bi
                credential: { type: passThrough }
            """,
        ]
        let names = try budgets(connections).leaseNames
        #expect(
            names == [
                "a": "power-bi application \(Self.one)",
                "b": "power-bi application \(Self.one)",
                "c": "graph-ediscovery application \(Self.two)",
                "bi": "power-bi connection bi",
            ]
        )
        let reversed = try budgets(connections.reversed())
        #expect(reversed.leaseNames == names)
        #expect(Set(reversed.byLease.keys) == Set(names.values))
    }
}
