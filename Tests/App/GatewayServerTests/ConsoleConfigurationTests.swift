import Exports
import GatewayAPI
import Testing

@testable import GatewayServer

/// `server.console`, and who signs in there.
@Suite struct ConsoleConfigurationTests {
    private static let tenants = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "82f988bf-86f1-41af-91ab-2d7cd011db47"]
    private static let client = "33333333-3333-4333-8333-333333333333"

    private func server(_ text: String) throws -> GatewayConfiguration.Server {
        let yaml = """
            ledger:
              path: /var/lib/export-gateway/ledger.sqlite
            connections:
              - name: bi
                provider: power-bi
                credential: { type: clientSecret, tenantId: \(Self.tenants[0]), clientId: \(Self.client), clientSecret: "env:SECRET" }
            server:
              apiKeys: [{ id: one, sha256: \(String(repeating: "0", count: 64)) }]
            \(text.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
            """
        return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"]).server
    }

    private func entra(_ tenants: [String], client: String = Self.client) -> String {
        "entra: { tenantIds: [\(tenants.joined(separator: ", "))], audiences: [\"api://gateway\", other], consoleClientId: \(client) }"
    }

    @Test(
        arguments: [
            ("", true), ("host: 127.0.0.1", true), ("host: 0.0.0.0", false),
            ("host: 0.0.0.0\nconsole: { enabled: true }", true), ("console: { enabled: false }", false),
        ]
    )
    func isServedOnThisMachineUnlessTheOperatorSaysOtherwise(text: String, isServed: Bool) throws {
        let server = try server(text)
        #expect(server.hasConsole == isServed)
        #expect((server.consoleSettings != nil) == isServed)
        #expect(server.consoleSettings?.entra == nil)
    }

    @Test func peopleSignInAtTheAuthority() throws {
        let one = try #require(try server(entra([Self.tenants[0]])).consoleSettings?.entra)
        #expect(one.authority == "https://login.microsoftonline.com")
        #expect(one.tenant == Self.tenants[0])
        #expect(one.clientID == Self.client)
        #expect(one.scope == "api://gateway/.default")
        #expect(try server(entra(Self.tenants)).consoleSettings?.entra?.tenant == "organizations")
    }

    @Test(
        arguments: [
            ("console: { enabled: perhaps }", "server.console.enabled"),
            ("console: { on: true }", "server.console.on"),
            (
                "entra: { tenantIds: [\(Self.tenants[0])], audiences: [a], consoleClientId: mine }",
                "server.entra.consoleClientId"
            ),
            (
                "console: { enabled: false }\nentra: { tenantIds: [\(Self.tenants[0])], audiences: [a], consoleClientId: \(Self.client) }",
                "server.entra.consoleClientId"
            ),
        ]
    )
    func mistakesAreNamed(text: String, key: String) throws {
        let refusal = #expect(throws: StartupError.self) { try server(text) }
        #expect(refusal?.key == key)
    }
}
