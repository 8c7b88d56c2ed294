import AsyncHTTPClient
import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

@Suite struct DownloadTests {
    static let header = ("X-AllowWithAADToken", "true")

    /// A finished search export's first file.
    static func file(_ lab: Lab) async throws -> String {
        let token = try await lab.token(Lab.graphScope)
        let start = try await lab.post(
            "\(lab.security)/searches/\(SandboxSeed.searchID)/exportResult",
            token: token,
            GraphExportTests.result
        )
        lab.finishJobs()
        let operation = try await lab.get(try #require(start.location), token: token).json
        return try #require(operation["exportFileMetadata"]?.array?.first?["downloadUrl"]?.string)
    }

    static func content(_ lab: Lab) async throws -> String {
        let start = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
        lab.finishJobs()
        return "\(lab.goals)/\(try #require(start.json["id"]?.string))/content"
    }

    @Test func theProxyWantsItsOwnTokenAndItsHeader() async throws {
        try await withLab { lab in
            let url = try await Self.file(lab)
            let purview = try await lab.token(Lab.purviewScope)
            let graph = try await lab.token(Lab.graphScope)

            for (token, headers) in [(nil, [Self.header]), ("junk", [Self.header]), (purview, [])] {
                let reply = try await lab.get(url, token: token, headers: headers)
                #expect(reply.status == 302)
                let page = try await lab.get(try #require(reply.location))
                #expect(page.status == 200)
                #expect(page.headers.first(name: "Content-Type")?.hasPrefix("text/html") == true)
            }
            let wrong = try await lab.get(url, token: graph, headers: [Self.header])
            #expect(wrong.status == 401)

            let good = try await lab.get(url, token: purview, headers: [Self.header])
            #expect(good.status == 200)
            #expect(good.headers.first(name: "Content-Type") == "application/zip")
            #expect(good.headers.first(name: "Content-Length") == "65536")
            let account = try #require(lab.sandbox.account.jobs.first)
            #expect(account.files.map(\.size) == [65_536, 7964])
            #expect(account.files[0].sha256 == Hexadecimal.encode(SHA256.hash(Array(good.body.readableBytesView))))

            lab.time.advance(by: .seconds(24 * 3600))
            let fresh = try await lab.token(Lab.purviewScope)
            #expect(try await lab.get(url, token: fresh, headers: [Self.header]).status == 403)
        }
    }

    @Test func signedLinksOpenAloneAndExpire() async throws {
        var settings = SandboxSettings()
        settings.preAuthorizedLinks = true
        try await withLab(settings) { lab in
            let url = try await Self.file(lab)
            #expect(url.hasPrefix(lab.addresses.blob))
            #expect(try await lab.get(url).status == 200)
            let purview = try await lab.token(Lab.purviewScope)
            let bearer = try await lab.get(url, token: purview)
            #expect(bearer.status == 401)
            #expect(bearer.text == "Mise failed with error: ''")
            #expect(try await lab.get(url.replacing("se=2026", with: "se=2027")).status == 403)
            lab.sandbox.addRule(SandboxRule(operation: "*.download", times: 1, fault: .expiredLink))
            #expect(try await lab.get(url).status == 403)
            #expect(try await lab.get(url).status == 200)
            lab.time.advance(by: .seconds(24 * 3600))
            #expect(try await lab.get(url).status == 403)
            let signature = try #require(url.split(separator: "sig=").last?.split(separator: "&").first)
            let escapes = [("%2B", "+"), ("%2F", "/"), ("%3D", "=")]
            let plain = escapes.reduce(String(signature)) { $0.replacing($1.0, with: $1.1) }
            #expect(lab.sandbox.secrets.contains(plain))
        }
    }

    @Test func theStorageHostServesRanges() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .preAuthorizedLink))
            let url = try await Self.file(lab)
            let whole = try await lab.get(url)
            for (range, expected) in [
                ("bytes=0-99", 0..<100), ("bytes=65000-", 65_000..<65_536), ("bytes=-5", 65_531..<65_536),
            ] {
                let part = try await lab.get(url, headers: [("Range", range)])
                #expect(part.status == 206)
                #expect(
                    part.headers.first(name: "Content-Range")
                        == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/65536"
                )
                #expect(part.body == whole.body.getSlice(at: expected.lowerBound, length: expected.count))
                #expect(part.headers.first(name: "ETag") == whole.headers.first(name: "ETag"))
            }
            #expect(try await lab.get(url, headers: [("Range", "bytes=65536-")]).status == 416)
        }
    }

    @Test(arguments: [false, true])
    func aCutDownloadBreaksOffAfterExactlySoMuch(chunked: Bool) async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            let whole = try await lab.get(url, token: GoalsTests.user).body
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", fault: .cutDownload(afterBytes: 40_000)))
            if chunked { lab.sandbox.addRule(SandboxRule(operation: "goals.content", fault: .noContentLength)) }
            let raw = try await RawExchange.get(url, token: GoalsTests.user, lab.addresses.api)
            #expect(raw.head.hasPrefix("HTTP/1.1 200 OK"))
            #expect(raw.head.lowercased().contains("content-length: 65536") == !chunked)
            #expect(raw.head.lowercased().contains("transfer-encoding: chunked") == chunked)
            if chunked {
                #expect(!String(buffer: raw.body).hasSuffix("0\r\n\r\n"))
                #expect(raw.body.readableBytes > 40_000)
            } else {
                #expect(raw.body == whole.getSlice(at: 0, length: 40_000))
            }
            // A client that knows HTTP sees an error.
            await #expect(throws: (any Error).self) { try await lab.get(url, token: GoalsTests.user) }
        }
    }

    @Test func bodiesOfTheWrongLength() async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            lab.sandbox.addRule(
                SandboxRule(operation: "*.download", times: 1, fault: .shortDownload(missingBytes: 36))
            )
            lab.sandbox.addRule(SandboxRule(operation: "*.download", times: 1, fault: .wrongLength(excessBytes: 4)))
            let short = try await lab.get(url, token: GoalsTests.user)
            #expect(short.headers.first(name: "Content-Length") == "65500")
            #expect(short.body.readableBytes == 65_500)
            let long = try await RawExchange.get(url, token: GoalsTests.user, lab.addresses.api)
            #expect(long.head.lowercased().contains("content-length: 65540"))
            #expect(long.body.readableBytes == 65_536)
            let whole = try await lab.get(url, token: GoalsTests.user)
            #expect(whole.body.readableBytes == 65_536)
        }
    }

    @Test func withoutContentLengthTheBodyIsWholeAllTheSame() async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            let whole = try await lab.get(url, token: GoalsTests.user).body
            lab.sandbox.addRule(SandboxRule(operation: "goals.*", fault: .noContentLength))
            let reply = try await lab.get(url, token: GoalsTests.user)
            #expect(reply.headers.first(name: "Transfer-Encoding") == "chunked")
            #expect(reply.body == whole)
        }
    }

    @Test func aStalledDownloadWaitsForItsReaderToLeave() async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", times: 1, fault: .stallDownload(afterBytes: 9)))
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "Authorization", value: "Bearer \(GoalsTests.user)")
            let response = try await lab.client.execute(request, timeout: .minutes(5))
            var iterator = response.body.makeAsyncIterator()
            let first = try await iterator.next()
            #expect(first.map { String(buffer: $0) } == "Key,Row,O")
            // The stall binds nobody else, and the end of the lab ends it.
            #expect(try await lab.get(url, token: GoalsTests.user).status == 200)
        }
    }

    @Test func aDrippingDownloadGoesByTheSandboxClock() async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", fault: .dripDownload(bytesPerSecond: 327_680)))
            let reading = Task { try await lab.get(url, token: GoalsTests.user).body.readableBytes }
            await lab.time.pauses(atLeast: 1)
            lab.time.advance(by: .milliseconds(100))
            #expect(try await reading.value == 65_536)
        }
    }

    @Test func spoiledTypesAndSignInPages() async throws {
        try await withLab { lab in
            let url = try await Self.content(lab)
            lab.sandbox.addRule(
                SandboxRule(operation: "goals.content", times: 1, fault: .wrongContentType("text/plain"))
            )
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", after: 1, fault: .htmlSignIn))
            let plain = try await lab.get(url, token: GoalsTests.user)
            #expect(plain.headers.first(name: "Content-Type") == "text/plain")
            #expect(plain.body.readableBytes == 65_536)
            let page = try await lab.get(url, token: GoalsTests.user)
            #expect(page.status == 200)
            #expect(page.headers.first(name: "Content-Type")?.hasPrefix("text/html") == true)
        }
    }

    @Test func contentOfAnyKindAndSizeWithoutMemory() async throws {
        try await withLab { lab in
            let size: Int64 = 96 << 20
            lab.sandbox.addRule(SandboxRule(operation: "goals.start", fault: .fileContent(bytes: size, kind: .random)))
            let url = try await Self.content(lab)
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "Authorization", value: "Bearer \(GoalsTests.user)")
            let response = try await lab.client.execute(request, timeout: .minutes(5))
            #expect(response.headers.first(name: "Content-Length") == String(size))
            var hash = SHA256()
            var received: Int64 = 0
            for try await chunk in response.body {
                hash.update(chunk.readableBytesView)
                received += Int64(chunk.readableBytes)
            }
            #expect(received == size)
            let file = try #require(lab.sandbox.account.jobs.first?.files.first)
            #expect(file.name == "\(SandboxSeed.explorerViewID).bin")
            let digest = Hexadecimal.encode(hash.finalize())
            #expect(file.sha256 == digest)
        }
    }
}
