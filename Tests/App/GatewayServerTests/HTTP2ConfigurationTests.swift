import Exports
import GatewayAPI
import Testing

@testable import GatewayServer

/// `server.http2`.
@Suite struct HTTP2ConfigurationTests {
    private static let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

    private func server(_ text: String) throws -> GatewayConfiguration.Server {
        let yaml = """
            ledger:
              path: /var/lib/export-gateway/ledger.sqlite
            connections:
              - name: bi
                provider: power-bi
                credential: { type: clientSecret, tenantId: \(Self.tenant), clientId: \(Self.tenant), clientSecret: "env:SECRET" }
            server:
              \(text)
            """
        return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"]).server
    }

    private static let tls = "tls: { certificate: tls.crt, key: tls.key }"

    @Test func withTLSItIsOffered() throws {
        #expect(try server(Self.tls).tls?.offersHTTP2 == true)
        #expect(try server("\(Self.tls)\n  http2: { enabled: false }").tls?.offersHTTP2 == false)
    }

    @Test func inPlainTextItIsTakenWhereThatIsSaid() throws {
        #expect(try !server("port: 1").http2.takesPriorKnowledge)
        #expect(try server("http2: { priorKnowledge: true }").http2.takesPriorKnowledge)
    }

    @Test func asManyStreamsAsConnections() throws {
        let settings = try server("maximumConnections: 300").http2
        #expect(settings.maximumStreams == 300)
        #expect(settings.streamsPerConnection == 100)
    }

    @Test func limitsAreRead() throws {
        let settings = try server(
            "http2: { streamsPerConnection: 200, maximumStreams: 4000, window: 100000, resets: 50, framesWithoutProgress: 200 }"
        )
        .http2
        #expect(settings.streamsPerConnection == 200)
        #expect(settings.maximumStreams == 4000)
        #expect(settings.window == 100_000)
        #expect(settings.resets == 50)
        #expect(settings.framesWithoutProgress == 200)
    }

    @Test(
        arguments: [
            ("http2: { enabled: maybe }", "server.http2.enabled"),
            ("http2: { enabled: false, priorKnowledge: true }", "server.http2.priorKnowledge"),
            ("\(Self.tls)\n  http2: { priorKnowledge: true }", "server.http2.priorKnowledge"),
            ("http2: { streamsPerConnection: 99 }", "server.http2.streamsPerConnection"),
            ("http2: { maximumStreams: 512 }", "server.http2.maximumStreams"),
            ("http2: { window: 1000 }", "server.http2.window"),
            ("http2: { resets: 0 }", "server.http2.resets"),
            ("http2: { framesWithoutProgress: 1 }", "server.http2.framesWithoutProgress"),
            ("http2: { streams: 1 }", "server.http2.streams"),
        ]
    )
    func aMistakeNamesItsKey(text: String, key: String) throws {
        let error = #expect(throws: StartupError.self) { try server(text) }
        #expect(error?.key == key)
    }
}
