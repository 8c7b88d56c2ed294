import Exports
import Synchronization
import Testing

@testable import GatewayAPI

/// Downloads as bytes on a socket: where an answer ends, and whether it is whole.
@Suite(.timeLimit(.minutes(5))) struct DownloadsOnASocketTests {
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
}
