import Exports
import HTTPTypes
import JSON
import ManualClock
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayAPI

/// The header rules of downloads, through all of the face (RFC 9110, 13 and 14).
@Suite struct RangeDownloadTests {
    private static let text = (0..<100).map { "\($0),a,row\r\n" }.joined()
    private static let size = Int64(text.utf8.count)
    private static let digest = Hexadecimal.encode(SHA256.hash(Array(text.utf8)))

    private static func bytes(_ range: ClosedRange<Int>) -> String {
        String(decoding: Array(text.utf8)[range], as: UTF8.self)
    }

    /// An upstream without ranges, that has a strong validator or none.
    private func gateway(validator: String? = "\"v1\"") -> TestGateway {
        TestGateway(
            service: FakeExportService(time: ManualTime()) { _ throws(GatewayError) in
                let body = fileBody([Self.bytes(0...49), Self.bytes(50...Int(Self.size) - 1)])
                return FileBody(head: .init(contentLength: Self.size, validator: validator), bytes: body.bytes)
            }
        )
    }

    private func path(_ gateway: TestGateway, name: String = "a.csv", sha256: String? = nil) -> String {
        let export = gateway.service.put(.succeeded) {
            $0.files = [ExportFile(id: "1", name: name, size: Self.size, sha256: sha256)]
        }
        return "/exports/\(export.id)/files/1"
    }

    @Test func withoutGzipAndRange() async throws {
        let gateway = gateway()
        let answer = try await gateway.call(.get, path(gateway))
        #expect(answer.status == 200)
        #expect(answer.body == Self.text)
        #expect(answer.headers[.contentLength] == String(Self.size))
        #expect(answer.headers[.acceptRanges] == "bytes")
        #expect(answer.headers[.vary] == "Accept-Encoding")
        #expect(answer.headers[.eTag]?.hasPrefix("\"") == true)
    }

    @Test func gzipHasItsOwnTagAndNoRanges() async throws {
        let gateway = gateway()
        let path = path(gateway)
        let plain = try await gateway.call(.get, path)
        let encoded = try await gateway.call(.get, path, headers: [.acceptEncoding: "gzip"])
        #expect(encoded.status == 200)
        #expect(encoded.headers[.contentEncoding] == "gzip")
        #expect(encoded.headers[.contentLength] == nil)
        #expect(encoded.headers[.acceptRanges] == nil)
        #expect(encoded.headers[.vary] == "Accept-Encoding")
        let tag = try #require(encoded.headers[.eTag])
        #expect(tag.hasPrefix("W/") && tag.hasSuffix("-gzip\"") && tag != plain.headers[.eTag])
        // What is compressed already is sent as it is.
        let pictures = try await gateway.call(
            .get,
            self.path(gateway, name: "a.heic"),
            headers: [.acceptEncoding: "gzip"]
        )
        #expect(pictures.headers[.contentEncoding] == nil)
        #expect(pictures.headers[.acceptRanges] == "bytes")
    }

    @Test(arguments: [
        ("bytes=0-9", 0...9), ("bytes=40-60", 40...60), ("bytes=-1", 989...989), ("bytes=980-", 980...989),
    ])
    func aRangeIsPlainAlsoForThoseWhoTakeGzip(range: String, part: ClosedRange<Int>) async throws {
        #expect(Self.size == 990)
        let gateway = gateway()
        let answer = try await gateway.call(
            .get,
            path(gateway, sha256: Self.digest),
            headers: [.range: range, .acceptEncoding: "gzip"]
        )
        #expect(answer.status == 206)
        #expect(answer.body == Self.bytes(part))
        #expect(answer.headers[.contentEncoding] == nil)
        #expect(answer.headers[.contentRange] == "bytes \(part.lowerBound)-\(part.upperBound)/990")
        #expect(answer.headers[.contentLength] == String(part.count))
        #expect(answer.headers[.contentType] == "application/octet-stream")
        // RFC 9110, 15.3.7: what a 200 would have.
        for name in [HTTPField.Name.eTag, .vary, .cacheControl, .contentDisposition] {
            #expect(answer.headers[name] != nil, "\(name)")
        }
        #expect(answer.headers[HTTPField.Name("Repr-Digest")!]?.hasPrefix("sha-256=:") == true)
        let delivery = gateway.service.state.withLock { $0.deliveries.first }
        #expect(delivery?.outcome == .whole)
        #expect(delivery?.rangeFirst == Int64(part.lowerBound))
        #expect(delivery?.rangeLast == Int64(part.upperBound))
        #expect(delivery?.bytesSent == Int64(part.count))
        #expect(delivery?.sha256 == nil)
        #expect(delivery?.requestID == answer.headers[.requestID])
        #expect(delivery?.caller == "anonymous")
    }

    @Test(arguments: ["bytes=0-1,5-6", "lines=0-1", "bytes=9-1", "bytes", ""])
    func whatIsNoSingleRangeIsIgnored(range: String) async throws {
        let gateway = gateway()
        let answer = try await gateway.call(.get, path(gateway), headers: [.range: range])
        #expect(answer.status == 200)
        #expect(answer.body == Self.text)
    }

    @Test(arguments: ["bytes=990-", "bytes=5000-6000", "bytes=-0"])
    func behindTheEndThereIsNothing(range: String) async throws {
        let gateway = gateway()
        let answer = try await gateway.call(.get, path(gateway), headers: [.range: range])
        #expect(answer.status == 416)
        #expect(answer.code == "range-not-satisfiable")
        #expect(answer.headers[.contentRange] == "bytes */990")
        #expect(answer.json["size"] == 990)
    }

    @Test func ifRangeHoldsForTheTagOfTheSameBytesOnly() async throws {
        for validator in ["\"v1\"", nil] {
            let gateway = gateway(validator: validator)
            let path = path(gateway, sha256: Self.digest)
            let tag = try #require(try await gateway.call(.get, path).headers[.eTag])
            let encoded = try await gateway.call(.get, path, headers: [.acceptEncoding: "gzip"])
            let encodedTag = try #require(encoded.headers[.eTag])
            for (ifRange, status) in [
                (tag, 206), ("W/" + tag, 200), (encodedTag, 200), (String(encodedTag.dropFirst(2)), 200),
                ("\"other\"", 200), ("Sat, 21 Nov 2026 06:00:00 GMT", 200),
                (tag.dropLast() + ".vother\"", 200),
            ] {
                let answer = try await gateway.call(.get, path, headers: [.range: "bytes=0-9", .ifRange: "\(ifRange)"])
                #expect(answer.status == status, "\(ifRange)")
                #expect(answer.headers[.eTag] == tag)
                #expect(answer.body == (status == 206 ? Self.bytes(0...9) : Self.text))
            }
        }
    }

    @Test func conditionsComeBeforeTheRange() async throws {
        let gateway = gateway()
        let path = path(gateway, sha256: Self.digest)
        let tag = try #require(try await gateway.call(.get, path).headers[.eTag])
        let known = try await gateway.call(.get, path, headers: [.range: "bytes=0-9", .ifNoneMatch: tag])
        #expect(known.status == 304)
        for name in [HTTPField.Name.eTag, .vary, .cacheControl] { #expect(known.headers[name] != nil, "\(name)") }
        // The tag of the other coding names the file, and no part of it.
        let encoded = try #require(
            try await gateway.call(.get, path, headers: [.acceptEncoding: "gzip"]).headers[.eTag]
        )
        #expect(try await gateway.call(.get, path, headers: [.ifNoneMatch: encoded]).status == 304)
        #expect(
            try await gateway.call(.get, path, headers: [.range: "bytes=0-9", .ifNoneMatch: encoded]).status == 206
        )
        let failed = try await gateway.call(.get, path, headers: [.range: "bytes=2000-", .ifMatch: "\"other\""])
        #expect(failed.status == 412)
        #expect(failed.code == "precondition-failed")
        for (tags, status) in [("*", 200), (tag, 200), ("\"a\", \(tag)", 200), ("W/" + tag, 412), (encoded, 412)] {
            #expect(try await gateway.call(.get, path, headers: [.ifMatch: tags]).status == status, "\(tags)")
        }
    }

    @Test func headSaysWhatGetSaysAndIgnoresRange() async throws {
        let gateway = gateway()
        let path = path(gateway, sha256: Self.digest)
        for coding in ["identity", "gzip"] {
            let get = try await gateway.call(.get, path, headers: [.acceptEncoding: coding])
            let head = try await gateway.call(.head, path, headers: [.acceptEncoding: coding, .range: "bytes=0-1"])
            #expect(head.status == 200)
            for name in ["ETag", "Accept-Ranges", "Content-Length", "Content-Encoding", "Vary", "Unencoded-Digest"] {
                let name = HTTPField.Name(name)!
                #expect(head.headers[name] == get.headers[name], "\(name)")
            }
        }
        #expect(try await gateway.call(.head, path, headers: [.ifMatch: "\"other\""]).status == 412)
    }

    /// An upstream that tells no length, and a record that has none: nothing to count from.
    @Test func withoutALengthRangeIsIgnored() async throws {
        let gateway = TestGateway(
            service: FakeExportService(time: ManualTime()) { _ throws(GatewayError) in fileBody([Self.text]) }
        )
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin")] }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/content", headers: [.range: "bytes=0-9"])
        #expect(answer.status == 200)
        #expect(answer.headers[.acceptRanges] == nil)
        #expect(answer.headers[.eTag]?.hasPrefix("W/") == true)
        #expect(answer.body == Self.text)
    }

    @Test func aFileThatBeginsOtherwiseIsABadGateway() async throws {
        let gateway = gateway()
        let answer = try await gateway.call(.get, path(gateway, name: "a.pdf"))
        #expect(answer.status == 502)
        #expect(answer.code == "upstream-broken")
        #expect(answer.json["detail"]?.string?.contains("PDF") == true)
        #expect(gateway.service.state.withLock { $0.deliveries.isEmpty })
    }
}

/// What only bytes on a socket show of them.
@Suite(.timeLimit(.minutes(5))) struct LiveDownloadTests {
    private func gateway(_ body: @escaping @Sendable () -> FileBody) -> TestGateway {
        let service = FakeExportService(time: SystemTime()) { _ throws(GatewayError) in body() }
        return TestGateway(time: SystemTime(), service: service)
    }

    @Test func theDigestFollowsTheLastChunk() async throws {
        let gateway = gateway { fileBody(["abc", "def"]) }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin")] }
        try await gateway.live { server in
            try await server.connect { client in
                let request = "GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n"
                try await client.send(request + "te: trailers\r\nconnection: te\r\n\r\n")
                let head = try await client.read(through: "\r\n\r\n").lowercased()
                #expect(head.contains("\r\ntrailer: unencoded-digest\r\n"))
                #expect(head.contains("\r\ntransfer-encoding: chunked\r\n"))
                _ = try await client.read(through: "\r\n0\r\n")
                let trailers = try await client.read(through: "\r\n\r\n")
                let digest = "vvV+x/U6bUC+tkCngKY5yDvCmsipgW8fxsXG3Nk8RyE="
                #expect(trailers.lowercased() == "unencoded-digest: sha-256=:\(digest):\r\n\r\n".lowercased())
                #expect(trailers.contains(digest))
                // Without the wish there are none, and the connection is as good as before.
                try await client.send(request + "connection: close\r\n\r\n")
                let all = try await client.readToEnd()
                #expect(all.hasSuffix("\r\n0\r\n\r\n"))
                #expect(!all.lowercased().contains("unencoded-digest"))
            }
        }
    }

    @Test func aPartIsFramedByItsLength() async throws {
        let gateway = gateway {
            FileBody(head: .init(contentLength: 6), bytes: fileBody(["abc", "def"]).bytes)
        }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin", size: 6)] }
        try await gateway.live { server in
            try await server.connect { client in
                for (range, status, body) in [
                    ("bytes=2-3", 206, "cd"), ("bytes=-1", 206, "f"), ("bytes=0-9", 206, "abcdef"),
                ] {
                    try await client.send(
                        "GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\nrange: \(range)\r\n\r\n"
                    )
                    let answer = try await client.readAnswer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(answer.body == body)
                    #expect(!answer.head.lowercased().contains("transfer-encoding"))
                }
            }
        }
    }

    /// The upstream breaks off once: the client sees nothing of it.
    @Test func aBreakIsGoneOnWith() async throws {
        let openings = Mutex(0)
        let gateway = gateway {
            let isFirst = openings.withLock { count in
                count += 1
                return count == 1
            }
            let broken = fileBody(["abc"], failure: ProviderError(.transient, "The connection was reset."))
            let bytes = isFirst ? broken.bytes : fileBody(["ab", "cdef"]).bytes
            return FileBody(head: .init(contentLength: 6), bytes: bytes)
        }
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin", size: 6)] }
        try await gateway.live { server in
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                let answer = try await client.readAnswer()
                #expect(answer.body == "abcdef")
                // On one connection, the next request is read when the delivery has been written down.
                try await client.send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
            }
        }
        let delivery = gateway.service.state.withLock { $0.deliveries.first }
        #expect(delivery?.resumptions == 1)
        #expect(delivery?.outcome == .whole)
        #expect(delivery?.sha256 == "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721")
    }
}
