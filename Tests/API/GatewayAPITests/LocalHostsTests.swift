import Exports
import HTTPTypes
import Synchronization
import Telemetry
import Testing

@testable import GatewayAPI

/// A web page from elsewhere must not reach a gateway that lets in everybody on its machine.
@Suite("Hosts of a gateway without callers")
struct LocalHostsTests {
    private let hosts = LocalHosts(names: ["gateway.local", "fd00::7"])

    @Test(
        arguments: [
            "localhost", "LOCALHOST:8080", "exports.localhost", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8080",
            "Gateway.local:1",
            "[fd00::7]:8080",
        ]
    )
    func itsOwnNames(authority: String) {
        #expect(hosts.allows(authority))
    }

    @Test(
        arguments: [
            "example.com", "localhost.example.com", "127.0.0.1.example.com", "example.com:80", "", "10.0.0.1", "[::2]",
            "127.0.0",
            "notlocalhost", "gateway.local.example.com", "[fd00::8]",
        ]
    )
    func otherNames(authority: String) throws {
        #expect(!hosts.allows(authority))
        let error = #expect(throws: GatewayError.self) { try hosts.check(authority) }
        #expect(error?.code == .misdirectedRequest)
    }

    @Test func http10HasNoHost() throws {
        try hosts.check(nil)
    }

    @Test func theListenerOfProbesAnswersForAnyHost() async throws {
        let gateway = TestGateway {
            $0.hosts = []
            $0.operations = .init(host: "127.0.0.1", port: 0)
        }
        #expect(gateway.api.callers.current.localHosts != nil)
        #expect(try await gateway.callPlatform(.get, "/livez", host: "probe.example").status == 200)
    }

    @Test("Every resource is refused, and nothing is created, on both ways to answer", arguments: [true, false])
    func everyResource(direct: Bool) async throws {
        let gateway = TestGateway(time: SystemTime()) {
            $0.hosts = []
            $0.directAnswers = direct
        }
        let body = CreateExportTests.body
        let creation = "content-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
        try await gateway.live { server in
            try await server.connect { client in
                try await client.send("POST /exports HTTP/1.1\r\nhost: localhost:8080\r\n\(creation)")
                let created = try await client.readAnswer()
                #expect(created.head.hasPrefix("HTTP/1.1 202 "))
                let id = try #require(created.body.firstMatch(of: /"id":"([0-9a-f-]{36})"/)).output.1
                let path = "/exports/\(id)"
                for path in ["/exports", "/livez", "/metrics", "/openapi.yaml", "/providers", "/console", path] {
                    try await client.send("GET \(path) HTTP/1.1\r\nhost: example.com\r\n\r\n")
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 421 "), "\(path)")
                    #expect(answer.body.contains("misdirected-request"), "\(path)")
                }
                try await client.send("POST /exports HTTP/1.1\r\nhost: example.com\r\n\(creation)")
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 421 "))
                try await client.send("GET \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
            }
        }
        #expect(gateway.service.state.withLock { $0.drafts.count } == 1)
    }
}
