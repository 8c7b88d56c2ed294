import Exports
import Testing

@testable import GatewayServer

/// `server.limits`.
@Suite struct LimitsConfigurationTests {
    private static let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

    private func limits(_ text: String) throws -> CallerLimitTable {
        let yaml = """
            ledger:
              path: /var/lib/export-gateway/ledger.sqlite
            connections:
              - name: bi
                provider: power-bi
                credential: { type: clientSecret, tenantId: \(Self.tenant), clientId: \(Self.tenant), clientSecret: "env:SECRET" }
            server:
              apiKeys: [{ id: one, sha256: \(String(repeating: "0", count: 64)) }]
              entra: { tenantIds: [\(Self.tenant)], audiences: ["api://gateway"] }
              limits: \(text)
            """
        return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"]).server.limits
    }

    @Test func nothingIsLimitedByDefault() throws {
        #expect(try limits("{}") == CallerLimitTable())
    }

    @Test func aCallerHasItsOwnLimits() throws {
        let app = "app:\(Self.tenant):1"
        let table = try limits(
            """
            { requestsPerMinute: 600, waits: 5, createsPerDay: 10, downloadBytes: 1000, downloadPeriod: 1h, callers: [
                { caller: one, createsPerDay: 0, downloads: 3 }, { caller: "\(app)", requestsPerMinute: 60, requestBurst: 7 }
              ] }
            """
        )
        #expect(table.others.burst == 100)
        #expect(table.limits(of: "another") == table.others)
        let one = table.limits(of: "one")
        #expect(one.createsPerDay == nil)
        #expect(one.downloads == 3)
        #expect(one.downloadBytes == 1000)
        #expect(one.downloadPeriod == .seconds(3600))
        let other = table.limits(of: app)
        #expect(other.requestsPerMinute == 60)
        #expect(other.burst == 7)
        #expect(other.waits == 5)
        #expect(other.downloads == nil)
    }

    @Test func aCallerWhoseRequestsAreNotLimitedHasNoBurst() throws {
        let text = "{ requestsPerMinute: 600, requestBurst: 50, callers: [{ caller: one, requestsPerMinute: 0"
        let one = try limits("\(text) }] }").limits(of: "one")
        #expect(one.requestsPerMinute == nil && one.requestBurst == nil && one.burst == nil)
        let error = #expect(throws: StartupError.self) { try limits("\(text), requestBurst: 5 }] }") }
        #expect(error?.key == "server.limits.callers[0].requestBurst")
    }

    @Test(
        arguments: [
            ("{ requestsPerMinute: -1 }", "server.limits.requestsPerMinute"),
            ("{ requestBurst: 5 }", "server.limits.requestBurst"),
            ("{ createsPerDay: 100001 }", "server.limits.createsPerDay"),
            ("{ downloadPeriod: 1s }", "server.limits.downloadPeriod"),
            ("{ downloads: 5 }", "server.limits.downloads"),
            ("{ callers: [{ waits: 5 }] }", "server.limits.callers[0].caller"),
            ("{ callers: [{ caller: nobody }] }", "server.limits.callers[0].caller"),
            ("{ callers: [{ caller: one }, { caller: one }] }", "server.limits.callers[1].caller"),
            ("{ callers: [{ caller: one, weights: 1 }] }", "server.limits.callers[0].weights"),
        ]
    )
    func aMistakeNamesItsKey(text: String, key: String) throws {
        let error = #expect(throws: StartupError.self) { try limits(text) }
        #expect(error?.key == key)
    }
}
