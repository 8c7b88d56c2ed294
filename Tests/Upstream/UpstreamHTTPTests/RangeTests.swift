import Exports
import ScriptedHost
import Testing
import UpstreamHTTP

@Suite struct RangeTests {
    private static let file = "0123456789"
    private static let tag = #""v1""#

    /// A server that serves parts as RFC 9110 has it.
    private static func store(_ call: RawServer.Call, tag: String = tag, file: String = file) -> RawServer.Step {
        let whole = RawServer.answer(200, ["Accept-Ranges: bytes", "ETag: \(tag)"], body: file)
        if let condition = call.headers["if-range"], condition != tag { return whole }
        guard let bounds = call.headers["range"]?.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false),
            let first = Int(bounds[0])
        else { return whole }
        guard first < file.count else { return RawServer.answer(416, ["Content-Range: bytes */\(file.count)"]) }
        let last = min(Int(bounds[1]) ?? .max, file.count - 1)
        return RawServer.answer(
            206,
            ["Content-Range: bytes \(first)-\(last)/\(file.count)", "ETag: \(tag)"],
            body: String(Array(file)[first...last])
        )
    }

    private static func part(_ range: String, _ fields: [String] = [], body: String) -> RawServer.Step {
        RawServer.answer(206, ["Content-Range: \(range)", "ETag: \(tag)"] + fields, body: body)
    }

    private func text(_ download: UpstreamDownload) async -> String {
        String(decoding: await read(download.bytes).bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (FileRange(first: 0, last: 0), "0", "bytes=0-0"), (FileRange(first: 4), "456789", "bytes=4-"),
        (FileRange(first: 2, last: 5), "2345", "bytes=2-5"), (FileRange(first: 8, last: 99), "89", "bytes=8-99"),
    ])
    func aPartIsThatPart(_ range: FileRange, _ bytes: String, _ field: String) async throws {
        try await Upstream.with { call, _ in
            [Self.store(call)]
        } test: { upstream in
            for (size, validator) in [(nil, nil), (10, nil), (10, Self.tag)] as [(Int64?, String?)] {
                var range = range
                range.validator = validator
                let download = try await upstream.download(upstream.request(.get), range: range, expectedLength: size)
                #expect(download.isFile)
                #expect(download.servesRanges)
                #expect(download.validator == Self.tag)
                #expect(download.contentLength == Int64(bytes.count))
                let last = range.first + Int64(bytes.count) - 1
                #expect(download.range == ContentRange(first: range.first, last: last, completeLength: 10))
                let head = download.fileHead(requestID: "r")
                #expect(head.range == download.range)
                #expect(head.validator == Self.tag)
                #expect(head.servesRanges)
                #expect(await text(download) == bytes)
                let call = try #require(upstream.server.calls.last)
                #expect(call.headers["range"] == field)
                #expect(call.headers["if-range"] == validator)
                #expect(call.headers["accept-encoding"] == "identity")
            }
        }
    }

    @Test func withoutARangeNoneIsAskedFor() async throws {
        try await Upstream.with { call, _ in
            [Self.store(call)]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get))
            #expect(download.range == nil)
            #expect(download.servesRanges)
            #expect(download.validator == Self.tag)
            #expect(await text(download) == Self.file)
            #expect(upstream.server.calls.first?.headers["range"] == nil)
        }
    }

    @Test func anUpstreamWithoutPartsSendsTheWhole() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200, body: Self.file)]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), range: FileRange(first: 4))
            #expect(download.isFile)
            #expect(download.range == nil)
            #expect(!download.servesRanges)
            #expect(download.validator == nil)
            #expect(await text(download) == Self.file)
        }
    }

    @Test func aFileThatChangedComesWhole() async throws {
        try await Upstream.with { call, _ in
            [Self.store(call, tag: #""v2""#)]
        } test: { upstream in
            let range = FileRange(first: 4, validator: Self.tag)
            let download = try await upstream.download(upstream.request(.get), range: range)
            #expect(download.range == nil)
            #expect(download.validator == #""v2""#)
            #expect(await text(download) == Self.file)
            #expect(upstream.server.calls.count == 1)
        }
    }

    /// An upstream that knows `Range` and not `If-Range` would have us join two files.
    @Test(arguments: ["ETag: \"v2\"", "ETag: W/\"v1\"", "X: y"])
    func aPartOfAnotherFileIsNotTaken(_ field: String) async throws {
        try await Upstream.with { call, _ in
            [
                call.headers["range"] == nil
                    ? RawServer.answer(200, [field], body: "abcdefghij")
                    : RawServer.answer(206, ["Content-Range: bytes 4-9/10", field], body: "efghij")
            ]
        } test: { upstream in
            let range = FileRange(first: 4, validator: Self.tag)
            let download = try await upstream.download(upstream.request(.get), range: range, expectedLength: 10)
            #expect(download.range == nil)
            #expect(await text(download) == "abcdefghij")
            #expect(upstream.server.calls.map { $0.headers["range"] } == ["bytes=4-", nil])
            #expect(upstream.server.calls.last?.headers["if-range"] == nil)

            // Without a validator, the caller has other means to tell.
            let unprotected = try await upstream.download(upstream.request(.get), range: FileRange(first: 4))
            #expect(unprotected.range?.first == 4)
        }
    }

    @Test(arguments: ["W/\"v1\"", "v1", "\"", "\"a\"b\"", ""])
    func whatIsNoStrongTagProtectsNothing(_ tag: String) async throws {
        try await Upstream.with { call, _ in
            [RawServer.answer(200, ["ETag: \(tag)"], body: Self.file)]
        } test: { upstream in
            let range = FileRange(first: 4, validator: tag)
            let download = try await upstream.download(upstream.request(.get), range: range)
            #expect(download.validator == nil)
            #expect(await text(download) == Self.file)
            #expect(upstream.server.calls.first?.headers["range"] == nil)
            #expect(upstream.server.calls.first?.headers["if-range"] == nil)
        }
    }

    @Test func aRangeBeyondTheEndIsInvalidWhateverIsClaimed() async throws {
        try await Upstream.with { call, _ in
            [Self.store(call)]
        } test: { upstream in
            let beyond = FileRange(first: 10)
            for size in [nil, 10, 20] as [Int64?] {
                let error = try await providerError {
                    try await upstream.download(upstream.request(.get), range: beyond, expectedLength: size)
                }
                #expect(error.code == .invalid)
                #expect(error.upstream?.status == 416)
            }
        }
    }

    @Test(arguments: [
        (part("bytes 3-9/10", body: "3456789"), ProviderError.Code.transient),
        (part("bytes 5-9/10", body: "56789"), .transient),
        (part("bytes 4-9/10", body: "45678"), .transient), (part("bytes 4-8/10", body: "456789"), .transient),
        (part("bytes 9-4/10", body: "456789"), .transient), (part("chars 4-9/10", body: "456789"), .transient),
        (part("4-9/10", body: "456789"), .transient), (part("bytes 4-9/9", body: "456789"), .transient),
        (RawServer.answer(206, ["ETag: \"v1\""], body: "456789"), .transient),
        (part("bytes 4-9/10", ["Content-Range: bytes 0-9/10"], body: "456789"), .transient),
        (part("bytes 4-9/10", ["Content-Encoding: gzip"], body: "456789"), .permanent),
        (part("bytes 4-9/10", ["Content-Encoding: identity, br"], body: "456789"), .permanent),
        (
            RawServer.answer(206, ["Content-Type: Multipart/Byteranges; boundary=x"], body: "--x\r\n\r\n"),
            .permanent
        ),
    ])
    func aPartThatDoesNotFitIsRefused(_ answer: RawServer.Step, _ code: ProviderError.Code) async throws {
        try await Upstream.with { _, _ in
            [answer]
        } test: { upstream in
            for range in [FileRange(first: 4), FileRange(first: 4, validator: Self.tag)] {
                let error = try await providerError {
                    try await upstream.download(upstream.request(.get), range: range, expectedLength: 10)
                }
                #expect(error.code == code)
                #expect(error.problem == .upstreamBroken)
                #expect(error.upstream?.status == 206)
            }
        }
    }

    /// No file is that long, and no length can be counted from it.
    @Test func aPartBeyondAllNumbersIsRefused() async throws {
        try await Upstream.with { _, _ in
            [Self.part("bytes 0-9223372036854775807/*", body: Self.file)]
        } test: { upstream in
            let error = try await providerError {
                try await upstream.download(upstream.request(.get), range: FileRange(first: 0))
            }
            #expect(error.problem == .upstreamBroken)
        }
    }

    @Test func morethanWasAskedForIsRefusedAndLessIsSaid() async throws {
        try await Upstream.with { _, _ in
            [Self.part("bytes 4-7/10", body: "4567")]
        } test: { upstream in
            let less = try await upstream.download(upstream.request(.get), range: FileRange(first: 4))
            #expect(less.range == ContentRange(first: 4, last: 7, completeLength: 10))
            #expect(await text(less) == "4567")
            let error = try await providerError {
                try await upstream.download(upstream.request(.get), range: FileRange(first: 4, last: 6))
            }
            #expect(error.problem == .upstreamBroken)
        }
    }

    @Test func aPartThatNobodyAskedForIsRefused() async throws {
        try await Upstream.with { _, _ in
            [Self.part("bytes 0-9/10", body: Self.file)]
        } test: { upstream in
            let error = try await providerError { try await upstream.download(upstream.request(.get)) }
            #expect(error.problem == .upstreamBroken)
        }
    }

    @Test(arguments: [true, false])
    func aPartThatEndsEarlyIsAnError(_ isChunked: Bool) async throws {
        let range = "Content-Range: bytes 4-9/10"
        try await Upstream.with { _, _ in
            isChunked
                ? [RawServer.head(206, [range, "Transfer-Encoding: chunked"]), .text("3\r\n456\r\n0\r\n\r\n")]
                : [RawServer.head(206, [range, "Content-Length: 6"]), .text("456"), .close]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get), range: FileRange(first: 4))
            let (bytes, error) = await read(download.bytes)
            #expect(bytes == Array("456".utf8.prefix(bytes.count)))
            #expect((error as? ProviderError)?.problem == .upstreamBroken)
        }
    }

    /// What the framing does not tell, `Content-Range` does.
    @Test func aPartWithoutAnyFramingEndsWhereItSays() async throws {
        try await Upstream.with { _, index in
            [RawServer.head(206, ["Content-Range: bytes 4-9/*"]), .text(index == 0 ? "456789" : "4567"), .close]
        } test: { upstream in
            let range = FileRange(first: 4)
            #expect(await text(try await upstream.download(upstream.request(.get), range: range)) == "456789")
            let short = try await upstream.download(upstream.request(.get), range: range)
            #expect((await read(short.bytes).error as? ProviderError)?.problem == .upstreamBroken)
        }
    }

    @Test func theRangeGoesWhereTheRedirectLeads() async throws {
        let store = try await RawServer.start { call, _ in [Self.store(call)] }
        let location = "http://127.0.0.1:\(store.port)/c/file.zip"
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: \(location)"])]
        } test: { upstream in
            let rule = HostRule.origin(of: try #require(UpstreamURL(location)))
            let range = FileRange(first: 4, validator: Self.tag)
            let download = try await upstream.download(
                upstream.request(.get, bearer: true),
                range: range,
                redirects: [rule]
            )
            #expect(download.range?.first == 4)
            #expect(store.calls.first?.headers["range"] == "bytes=4-")
            #expect(store.calls.first?.headers["if-range"] == Self.tag)
        }
        try await store.stop()
    }

    @Test func anEncodedFileHasNoPartsForUs() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200, ["Content-Encoding: gzip", "Accept-Ranges: bytes"], body: "squeezed")]
        } test: { upstream in
            let head = try await upstream.download(upstream.request(.get)).fileHead(requestID: nil)
            #expect(!head.servesRanges)
            #expect(head.contentEncoding == "gzip")
        }
    }

    @Test func aWebPageInPlaceOfAPartIsRefusedByItsHead() async throws {
        try await Upstream.with { _, _ in
            [Self.part("bytes 4-9/10", ["Content-Type: text/html"], body: "<html>")]
        } test: { upstream in
            var request = try upstream.request(.get)
            request.refusal = { $0["content-type"] == "text/html" ? ProviderError(.unauthenticated, "A page.") : nil }
            let asked = request
            let error = try await providerError { try await upstream.download(asked, range: FileRange(first: 4)) }
            #expect(error.code == .unauthenticated)
        }
    }
}
