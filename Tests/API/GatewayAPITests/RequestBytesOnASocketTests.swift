import Exports
import ManualClock
import Telemetry
import Testing

@testable import GatewayAPI

/// Requests as bytes on a socket: their heads, and their bodies.
@Suite(.timeLimit(.minutes(5))) struct RequestBytesOnASocketTests {
    private static let json = "content-type: application/json\r\n"
    private static let create = CreateExportTests.body

    /// As Java's `HttpClient` and `curl --http2` send it.
    @Test func anUpgradeThatIsAskedForHurtsNobody() async throws {
        let gateway = TestGateway(time: SystemTime())
        let upgrade =
            "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
        let create =
            "POST /exports HTTP/1.1\r\nhost: x\r\n\(upgrade)\(Self.json)content-length: \(Self.create.utf8.count)\r\n\r\n"
        let livez = "GET /livez HTTP/1.1\r\nhost: x\r\n\(upgrade)\r\n"
        try await gateway.live { server in
            try await server.connect { client in
                for _ in 0..<3 {
                    try await client.send(create + Self.create)
                    let created = try await client.readAnswer().head.lowercased()
                    #expect(created.hasPrefix("http/1.1 202 "))
                    #expect(!created.contains("\r\nconnection: close"))
                    // One behind the other in one piece.
                    try await client.send(livez + livez)
                    for _ in 0..<2 { #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 ")) }
                }
                try await client.send("CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n" + livez)
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 400 "))
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
            }
        }
    }

    @Test func continuesOnlyWhatIsWanted() async throws {
        try await TestGateway(time: SystemTime())
            .live { server in
                let expect = "host: x\r\nexpect: 100-continue\r\ncontent-length: \(Self.create.utf8.count)\r\n"
                try await server.connect { client in
                    try await client.send("POST /exports HTTP/1.1\r\n\(expect)\(Self.json)\r\n")
                    #expect(try await client.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                    try await client.send(Self.create)
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 202 "))
                }
                try await server.connect { client in
                    try await client.send("POST /exports HTTP/1.1\r\n\(expect)content-type: text/plain\r\n\r\n")
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 415 "))
                    #expect(answer.head.lowercased().contains("\r\nconnection: close\r\n"))
                    #expect(try await client.readToEnd().isEmpty)
                }
            }
    }

    @Test func anUploadNobodyWantsEndsTheConnection() async throws {
        try await TestGateway(time: SystemTime())
            .live { server in
                for (path, status) in [("/exports", 413), ("/nowhere", 404)] {
                    try await server.connect { client in
                        try await client.send(
                            "POST \(path) HTTP/1.1\r\nhost: x\r\n\(Self.json)content-length: 1000000000\r\n\r\n{"
                        )
                        let answer = try await client.readAnswer()
                        #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "))
                        #expect(answer.head.lowercased().contains("\r\nconnection: close\r\n"))
                        #expect(answer.body.contains("\"status\":\(status)"))
                        _ = try await client.readToEnd()
                        #expect(client.isEnded)
                    }
                }
            }
    }

    @Test func aChunkedBodyIsCountedToo() async throws {
        try await TestGateway(time: SystemTime()) { $0.maxBodyBytes = 1000 }
            .live { server in
                try await server.connect { client in
                    try await client.send(
                        "POST /exports HTTP/1.1\r\nhost: x\r\n\(Self.json)transfer-encoding: chunked\r\n\r\n"
                    )
                    try await client.send("7d0\r\n" + String(repeating: " ", count: 2000) + "\r\n")
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 413 "))
                }
            }
    }

    @Test func aBrokenBodyIsMalformed() async throws {
        try await TestGateway(time: SystemTime())
            .live { server in
                try await server.connect { client in
                    try await client.send(
                        "POST /exports HTTP/1.1\r\nhost: x\r\n\(Self.json)transfer-encoding: chunked\r\n\r\nzz\r\n"
                    )
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 400 "))
                    #expect(answer.body.contains("malformed-request"))
                    _ = try await client.readToEnd()
                }
            }
    }

    @Test func aSlowBodyTimesOut() async throws {
        let time = ManualTime()
        try await TestGateway(time: time)
            .live { server in
                try await server.connect { client in
                    try await client.send(
                        "POST /exports HTTP/1.1\r\nhost: x\r\n\(Self.json)content-length: 100\r\n\r\n{"
                    )
                    await time.deadlines(atLeast: 1)
                    time.advance(by: .seconds(15))
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 408 "))
                    #expect(answer.body.contains("request-timeout"))
                    _ = try await client.readToEnd()
                    #expect(client.isEnded)
                }
            }
    }

    @Test func longHeadsAreRefused() async throws {
        let gateway = TestGateway(time: SystemTime())
        try await gateway.live { server in
            for (request, status, code) in [
                (
                    "GET /exports?cursor=\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nhost: x\r\n\r\n", 414,
                    "uri-too-long"
                ),
                (
                    "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: \(String(repeating: "a", count: 66_000))\r\n\r\n", 431,
                    "header-fields-too-large"
                ),
                // Past NIO's own limit: no request is seen at all.
                (
                    "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: \(String(repeating: "a", count: 200_000))\r\n\r\n", 431,
                    "header-fields-too-large"
                ),
                (
                    "GET /livez HTTP/1.1\r\nhost: x\r\n\((1...256).map { "x-\($0): a\r\n" }.joined())\r\n", 431,
                    "header-fields-too-large"
                ),
                ("NONSENSE\r\n\r\n", 400, "malformed-request"),
                (
                    "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400,
                    "malformed-request"
                ),
                ("GET /livez HTTP/1.1\r\nhost: x\r\nbad header: 1\r\n\r\n", 400, "malformed-request"),
            ] {
                try await server.connect { client in
                    try await client.send(request)
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "), "\(request.prefix(60))")
                    #expect(answer.head.lowercased().contains("\r\ncontent-type: application/problem+json\r\n"))
                    #expect(answer.head.lowercased().contains("\r\nx-request-id: "))
                    #expect(answer.body.contains("\"code\":\"\(code)\""))
                }
            }
        }
        #expect(
            gateway.registry.text()
                .contains("export_gateway_http_requests_unreadable_total{http_response_status_code=\"431\"} 2\n")
        )
    }

    @Test(arguments: ["", "host: a\r\nhost: a\r\n", "host: a/b\r\n", "host: a@b\r\n", "host: a b\r\n"])
    func aRequestNamesItsHostOnce(hosts: String) async throws {
        try await TestGateway(time: SystemTime())
            .live { server in
                try await server.connect { client in
                    try await client.send("GET /livez HTTP/1.1\r\n\(hosts)\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 400 "))
                    #expect(try await client.readToEnd().isEmpty)
                }
            }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await TestGateway(time: SystemTime())
            .live { server in
                try await server.connect { client in
                    try await client.send(
                        "GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\n\r\nBAD\r\n\r\n"
                    )
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 404 "))
                    #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 400 "))
                    #expect(try await client.readToEnd().isEmpty)
                }
            }
    }
}
