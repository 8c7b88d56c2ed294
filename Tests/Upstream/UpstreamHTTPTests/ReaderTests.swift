import Exports
import JSON
import NIOCore
import ParallelGzip
import Testing
import TestSupport
@testable import UpstreamHTTP

private func answer(_ status: Int, _ headers: [(String, String)] = [], _ body: [UInt8]) -> UpstreamResponse {
    UpstreamResponse(
        status: status,
        headers: UpstreamHeaders(headers.map { (name: $0.0, value: $0.1) }),
        body: body,
        receivedAt: Timestamp(milliseconds: 1_780_000_000_000)
    )
}

private func answer(_ body: String, _ headers: [(String, String)] = []) -> UpstreamResponse {
    answer(400, headers, Array(body.utf8))
}

@Suite struct UpstreamErrorBodyTests {
    @Test(
        arguments: [
            (#"{"error":{"code":"A","message":"m","innerError":{"code":"B","innererror":{"code":"429"}}}}"#, "B", "m"),
            (#"{"error":{"code":"unknown","message":"m"}}"#, "unknown", "m"),
            (#"{"error":"invalid_grant","error_description":"d"}"#, "invalid_grant", "d"),
            (#"{"error":"Some words"}"#, nil, "Some words"), (#"{"Message":"m"}"#, nil, "m"),
            (#"{"message":"m"}"#, nil, "m"),
            (#"{"error":{"code":"A","message":"","details":[{"code":"d","message":"deep"}]}}"#, "A", "deep"),
            (#"{"error":{"pbi.error":{"code":"P","details":[{"detail":{"value":"v"}}]}}}"#, "P", "v"),
            (#"{"odata.error":{"code":"O","message":{"lang":"en","value":"v"}}}"#, "O", "v"),
            (#"{"title":"t","detail":"d","status":400}"#, nil, "t; d"),
            (#"{"errors":{"b":["two"],"a":["one"]}}"#, nil, "a: one; b: two"),
            (#"{"errors":[{"code":"E","message":"m"}]}"#, "E", "m"), (#"[{"code":"E","message":"m"}]"#, "E", "m"),
            (#"{"error":{"code":"U","message":"{\"Message\":\"inside\"}"}}"#, "U", "inside"),
            (#""words""#, nil, "words"),
            (
                #"<?xml version="1.0"?><Error><Code>C</Code><Message>a &lt;b&gt; &#233;</Message></Error>"#, "C",
                "a <b> é"
            ),
            ("<m:error xmlns:m=\"x\"><m:code/><m:message xml:lang=\"en\">odata</m:message></m:error>", nil, "odata"),
            ("<Error><Code>C</Code><Message><![CDATA[raw <x>]]></Message></Error>", "C", "raw <x>"),
            (
                "<!DOCTYPE html><HTML><head><TITLE>\n 403 &ndash; no </TITLE></head><body>x</body></HTML>", nil,
                "403 – no"
            ),
            ("<html><body><script>if(a<b){}</script><h1>Gone</h1></body></html>", nil, "Gone"),
            ("<html><body><p>just</p> text</body></html>", nil, "just text"),
            ("upstream connect error", nil, "upstream connect error"),
            (#"{"error":{"code":"cut"#, nil, #"{"error":{"code":"cut"#), ("", nil, nil), ("{}", nil, nil),
            ("[1,2]", nil, nil),
        ] as [(String, String?, String?)]
    )
    func eachShape(_ body: String, _ code: String?, _ message: String?) {
        let read = UpstreamErrorBody(answer(body))
        #expect(read.code == code)
        #expect(read.message == message)
    }

    @Test func headersAndOtherEncodings() {
        #expect(answer("", [("x-ms-error-code", "AuthenticationFailed")]).errorBody.code == "AuthenticationFailed")
        #expect(answer("", [("x-ms-error-code", "AuthenticationFailed")]).errorBody.has("authenticationfailed"))
        #expect(answer(400, [("Content-Type", "text/plain; charset=iso-8859-1")], [0xFC]).errorBody.message == "ü")
        #expect(answer(400, [], [0x50, 0x4B, 3, 4, 0, 0, 0, 0xFF]).errorBody.message == nil)
        #expect(answer("", [("request-id", "r")]).errorInfo.requestId == "r")
    }

    @Test func onlyKnownCodesAreABusyUpstream() {
        #expect(
            AnswerTable.isBusy(
                UpstreamErrorBody(answer(#"{"error":{"code":"x","innerError":{"code":"ActivityLimitReached"}}}"#))
            )
        )
        #expect(
            !AnswerTable.isBusy(
                UpstreamErrorBody(answer(#"{"error":{"code":"BadRequest","message":"activityLimitReached"}}"#))
            )
        )
    }

    @Test(arguments: 0..<100)
    func garbageIsReadWithoutHarm(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array(#"<>/&;#x!-[]{}":,titleErrorCodeMessage "#.utf8) + [0xFF, 0x00, 0x0A]
        let bytes = (0..<Int(random.next() % 3000)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        let info = answer(500, [], bytes).errorInfo
        #expect((info.message?.count ?? 0) <= 1024)
        _ = answer(500, [], Array("<error><message>".utf8) + bytes).errorInfo
    }

    @Test func longMarkupTakesNoLongTime() {
        let body = String(repeating: "<title>", count: 9000) + String(repeating: "&", count: 1000)
        let took = ContinuousClock().measure { _ = answer(body).errorInfo }
        #expect(took < .seconds(5))
    }
}

@Suite struct AnswerBodyTests {
    private func gzip(_ text: String) async throws -> [UInt8] {
        // A stored block by hand: the reader does not care who wrote it.
        let bytes = Array(text.utf8)
        let length = UInt16(bytes.count)
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        func little(_ value: UInt32, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
        }
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1] + little(UInt32(length), 2) + little(UInt32(~length), 2) + bytes
            + little(~crc, 4) + little(UInt32(bytes.count), 4)
    }

    @Test func gzipIsDecodedWhateverTheHeadSays() async throws {
        let body = try await gzip(#"{"id":"1"}"#)
        for headers in [[], [("Content-Encoding", "gzip")], [("Content-Encoding", "x-gzip")]] {
            #expect(answer(200, headers, body).json == ["id": "1"])
        }
        #expect(answer(200, [("Content-Encoding", "gzip")], Array("{}".utf8)).json == [:])
    }

    @Test func brokenLongAndUnknownCodingsAreNamed() async throws {
        let body = try await gzip(#"{"id":"1"}"#)
        #expect(answer(200, [], Array(body.dropLast(4))).fault == nil)
        #expect(answer(200, [], Array(body.dropLast(12))).fault == "is broken gzip")
        let long = AnswerBody(body, headers: UpstreamHeaders([]), limit: 5, without: nil, isError: false)
        #expect(long.json == nil)
        #expect(long.fault?.contains("too long") == true)
        #expect(answer(200, [("Content-Encoding", "br")], [1, 2, 3]).fault?.contains("\"br\"") == true)
    }

    @Test(arguments: 0..<60)
    func brokenGzipNeverHarms(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        var body = try await gzip(#"{"id":"1","text":"words"}"#)
        for _ in 0..<4 {
            body[2 + Int(random.next() % UInt64(body.count - 2))] = UInt8(truncatingIfNeeded: random.next())
        }
        _ = answer(200, [], body).json
    }
}

@Suite struct UpstreamTextTests {
    @Test func longTextsAreCutBetweenCharacters() {
        let name = String(repeating: "👩‍👩‍👧", count: 1000)
        let cut = UpstreamText.fileName(name, suffix: ".pdf")
        #expect(cut.utf8.count <= UpstreamText.longestFileName)
        #expect(cut.hasSuffix("👩‍👩‍👧….pdf"))
        #expect(UpstreamText.fileName("short", suffix: ".pdf") == "short.pdf")
        #expect(UpstreamText.wholeFileName(String(repeating: "a", count: 300) + ".zip").hasSuffix("a….zip"))
        #expect(UpstreamText.wholeFileName(String(repeating: "é", count: 300)).utf8.count <= 255)
        #expect(UpstreamText.wholeFileName("a.zip") == "a.zip")
        #expect(UpstreamText.status(String(repeating: "s", count: 1_000_000)).utf8.count == 128)
        #expect(UpstreamText.id(String(repeating: "i", count: 1025)) == nil)
    }
}

@Suite struct ResponseFramingTests {
    private func ready(_ text: String) throws(FramingFault) -> String? {
        var (bytes, awaits) = (ByteBuffer(string: text), true)
        return try ResponseFraming.ready(&bytes, &awaits).map { String(buffer: $0) }
    }

    @Test func oneLengthIsEnough() throws {
        let once = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
        #expect(try ready(once) == once)
        #expect(try ready("HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2\r\n\r\nab") == once)
        #expect(try ready("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab") == once)
        #expect(try ready("HTTP/1.1 200 OK\r\nContent-Le") == nil)
        let interim = "HTTP/1.1 100 Continue\r\n\r\n"
        #expect(try ready(interim + once) == interim + once)
        #expect(try ready(interim) == interim)
    }

    @Test(arguments: [
        ("Content-Length: 2\r\nContent-Length: 3", FramingFault.differentLengths),
        ("Content-Length: 2, 3", .differentLengths),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", .lengthAndChunked),
        ("Transfer-Encoding: chunked\r\ncontent-length: 2", .lengthAndChunked),
    ])
    func contradictionsAreNamed(_ fields: String, _ fault: FramingFault) {
        #expect(throws: fault) { try ready("HTTP/1.1 200 OK\r\n\(fields)\r\n\r\nab") }
    }

    @Test func aHeadThatDoesNotEndIsNoHead() {
        #expect(throws: FramingFault.headTooLong) {
            try ready("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 200_000))
        }
    }
}

@Suite struct UpstreamPageTests {
    private let url = UpstreamURL(httpsHost: "graph.microsoft.com").appending(path: ["v1.0", "operations"])

    private func page(_ json: JSONValue) -> UpstreamPage<String>? { UpstreamPage(json) { $0.text("id") } }

    @Test func entriesThatCannotBeReadAreLeftOutAndCounted() {
        let page = page(["value": [["id": "1"], 5, .null, ["ID": "2"], ["id": 3]]])
        #expect(page?.entries == ["1", "2"])
        #expect(page?.unreadable == 3)
        #expect(self.page(["value": .null]) == nil)
    }

    @Test func linksLeadOnOrEndTheList() throws {
        func next(_ link: JSONValue) throws -> String? {
            try page(["value": [], "@odata.nextLink": link])?.next(after: url)?.reveal()
        }
        #expect(try next("") == nil)
        #expect(try next(.null) == nil)
        #expect(try next("?$skiptoken=a b") == "https://graph.microsoft.com/v1.0/operations?$skiptoken=a%20b")
        let verbatim = "https://graph.microsoft.com/v1.0/x?$skiptoken=%24a%2fB+"
        #expect(try next(.string(verbatim)) == verbatim)
        #expect(throws: LinkFault.otherHost) { try next("https://evil.example/x") }
        #expect(throws: LinkFault.insecure) { try next("http://graph.microsoft.com/x") }
    }

    @Test(arguments: 0..<100)
    func odditiesInLinksNeverHarm(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("htps:/\\?#[]@%2F .é\t\u{FFFD}{}|^`")
        let text = String(
            (0..<Int(random.next() % 60)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        )
        if let link = try? UpstreamURL(link: text, from: url) {
            // What is read can be sent as it is, and is https.
            #expect(UpstreamURL(link.reveal()) == link)
            #expect(link.scheme == .https)
        }
    }
}
