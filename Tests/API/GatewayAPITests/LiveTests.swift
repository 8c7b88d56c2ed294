import Exports
import ManualClock
import ServiceLifecycle
import NIOCore
import Synchronization
import Telemetry
import Testing

@testable import GatewayAPI

/// What only bytes on a socket show.
@Suite(.timeLimit(.minutes(5))) struct LiveTests {
    private static let json = "content-type: application/json\r\n"
    private static let create = CreateExportTests.body

    private func downloads(_ body: @escaping @Sendable () -> FileBody) -> TestGateway {
        let service = FakeExportService(time: SystemTime()) { _ throws(GatewayError) in body() }
        return TestGateway(time: SystemTime(), service: service)
    }

    @Test func anAnswerToHeadHasNoBody() async throws {
        let gateway = downloads { fileBody([]) }
        let ids = [Int64(8), nil]
            .map { size in
                gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.csv", size: size)] }.id
            }
        try await gateway.live { server in
            try await server.connect { client in
                // Of known length, of unknown length, and a problem: the answers that follow must be readable.
                for (id, status) in [("\(ids[0])", 200), ("\(ids[1])", 200), ("x", 404)] {
                    try await client.send("HEAD /exports/\(id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                    let head = try await client.read(through: "\r\n\r\n")
                    #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                    try await client.send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                    let next = try await client.readAnswer()
                    #expect(next.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
                    #expect(next.body.contains("pass"))
                }
                try await client.send("HEAD /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                let probe = try await client.read(through: "\r\n\r\n")
                #expect(probe.hasPrefix("HTTP/1.1 200 "))
                try await client.send("DELETE /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                let refused = try await client.read(through: "\r\n\r\n")
                #expect(refused.hasPrefix("HTTP/1.1 405 "))
                #expect(refused.lowercased().contains("\r\nallow: get"))
            }
        }
    }

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

    @Test func aDownloadIsWhole() async throws {
        let gateway = downloads { fileBody(["a,b\n", "1,2\n"], contentLength: 8) }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.csv", size: 8)] }
        try await gateway.live { server in
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                #expect(try await client.readAnswer().body == "a,b\n1,2\n")
            }
        }
    }

    @Test(arguments: [true, false]) func aDownloadThatBreaksLooksBroken(hasLength: Bool) async throws {
        let gateway = downloads {
            fileBody(
                ["first,piece\n"],
                contentLength: hasLength ? 100 : nil,
                failure: ProviderError(.transient, "The upstream broke off.")
            )
        }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin")] }
        try await gateway.live { server in
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                let all = try await client.readToEnd()
                #expect(client.isEnded)
                #expect(all.contains("first,piece\n"))
                #expect(
                    all.lowercased().contains(hasLength ? "content-length: 100\r\n" : "transfer-encoding: chunked\r\n")
                )
                // Neither the whole length nor the last chunk.
                #expect(!all.hasSuffix("0\r\n\r\n"))
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

    @Test func theLongestTokensFitTogether() async throws {
        let gateway = downloads { fileBody(["a,b\n", "1,2\n"], contentLength: 8) }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.csv", size: 8)] }
        let token = String(repeating: "t", count: 16_384)
        let names = ["authorization", "upstream-authorization", "upstream-download-authorization"]
        let fields = names.map { "\($0): Bearer \(token)\r\n" }.joined()
        try await gateway.live { server in
            try await server.connect { client in
                let head = "GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n"
                try await client.send("\(head)\(fields)\r\n")
                #expect(try await client.readAnswer().body == "a,b\n1,2\n")
                try await client.send("\(head)\(fields)cookie: \(token)\r\n\r\n")
                let refused = try await client.readAnswer()
                #expect(refused.head.hasPrefix("HTTP/1.1 431 "))
                #expect(refused.body.contains("must not have more than 65536 bytes together"))
            }
        }
        let opened = try #require(gateway.service.state.withLock { $0.viewers.last })
        #expect(opened.token == Secret(token) && opened.downloadToken == Secret(token))
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

    /// A client of HTTP/1.0 gets plain bytes with a length, or is told why not: chunks would be bytes of the file to it.
    @Test(arguments: [Int64?.some(8), nil]) func oldClientsGetALengthOrNothing(length: Int64?) async throws {
        let service = FakeExportService(time: SystemTime()) { _ throws(GatewayError) in
            fileBody(["a,b\n", "1,2\n"], contentLength: length)
        }
        let gateway = TestGateway(time: SystemTime(), service: service)
        let export = service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "Sales.csv")] }
        try await gateway.live { server in
            for fields in ["", "accept-encoding: gzip\r\n"] {
                try await server.connect { client in
                    try await client.send("GET /exports/\(export.id)/content HTTP/1.0\r\n\(fields)\r\n")
                    let answer = try await client.readAnswer()
                    let head = answer.head.lowercased()
                    #expect(!head.contains("transfer-encoding"))
                    #expect(!head.contains("content-encoding"))
                    if length == nil {
                        #expect(head.hasPrefix("http/1.1 426 "))
                        #expect(head.contains("\r\nupgrade: http/1.1\r\n"))
                        #expect(answer.body.contains("\"code\":\"upgrade-required\""))
                    } else {
                        #expect(head.hasPrefix("http/1.1 200 "))
                        #expect(head.contains("\r\nconnection: close\r\n"))
                        #expect(answer.body == "a,b\n1,2\n")
                    }
                    #expect(try await client.readToEnd().isEmpty)
                    #expect(client.isEnded)
                }
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

    @Test func aClientThatLeavesTakesItsWaitAlong() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        try await gateway.live { server in
            var events = gateway.service.waiting.stream.makeAsyncIterator()
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n")
                let began = await events.next()
                #expect(began == .began)
            }
            let cancelled = await events.next()
            #expect(cancelled == .cancelled)
        }
    }

    @Test func aDrainAnswersThoseWhoWait() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        try await gateway.live { server in
            var events = gateway.service.waiting.stream.makeAsyncIterator()
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n")
                let began = await events.next()
                #expect(began == .began)
                await server.group.triggerGracefulShutdown()
                let answer = try await client.readAnswer()
                #expect(answer.head.hasPrefix("HTTP/1.1 200 "))
                #expect(answer.body.contains("\"status\":\"running\""))
            }
        }
    }

    @Test func idleConnectionsAreClosed() async throws {
        try await TestGateway(time: SystemTime()) { $0.idleTimeout = .milliseconds(100) }
            .live { server in
                try await server.connect { client in
                    // Half a head: nothing more comes, and nothing is owed.
                    try await client.send("GET /livez HTT")
                    #expect(try await client.readToEnd().isEmpty)
                    #expect(client.isEnded)
                }
            }
    }

    @Test func aClientThatTakesNothingIsCutOff() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let gateway = downloads { FileBody(head: .init(), bytes: EndlessBytes(onEnd: { end.yield() })) }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin")] }
        let impatient = TestGateway(time: SystemTime(), service: gateway.service) {
            $0.minimumRateWindow = .milliseconds(100)
        }
        try await impatient.live { server in
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                // The client reads nothing; the upstream's bytes are let go of when the server has given it up.
                for await _ in ended.prefix(1) {}
            }
        }
        #expect(
            impatient.registry.text()
                .contains(
                    "http_server_request_duration_seconds_count{http_request_method=\"GET\","
                        + "http_response_status_code=\"200\",http_route=\"/exports/{id}/content\",url_scheme=\"http\"} 1\n"
                )
        )
        #expect(impatient.registry.text().contains("http_server_active_requests 0\n"))
    }
}

/// A file without an end, that tells when nobody reads it any more.
private struct EndlessBytes: AsyncSequence, Sendable {
    final class AsyncIterator: AsyncIteratorProtocol {
        let onEnd: @Sendable () -> Void
        init(onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
        deinit { onEnd() }

        func next() async throws -> ByteBuffer? {
            try Task.checkCancellation()
            return ByteBuffer(repeating: 0x61, count: 65_536)
        }
    }

    let onEnd: @Sendable () -> Void
    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(onEnd: onEnd) }
}
