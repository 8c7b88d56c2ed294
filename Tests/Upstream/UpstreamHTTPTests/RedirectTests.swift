import Exports
import ScriptedHost
import Testing
@testable import UpstreamHTTP

@Suite struct RedirectTests {
    private static let blob = RawServer.answer(200, body: "the file")

    @Test(arguments: [301, 302, 303, 307, 308])
    func aDownloadFollowsToAnAllowedHostWithoutTheToken(_ status: Int) async throws {
        let store = try await RawServer.start { _, _ in [Self.blob] }
        let location = "http://127.0.0.1:\(store.port)/c/file.zip?sig=a%2Fb"
        try await Upstream.with { _, _ in
            [RawServer.answer(status, ["Location: \(location)"])]
        } test: { upstream in
            var request = try upstream.request(.get, bearer: true)
            request.bearerHeaders = [("x-allow", "true")]
            let rule = HostRule.origin(of: try #require(UpstreamURL(location)))
            let download = try await upstream.download(request, redirects: [rule])
            #expect(await read(download.bytes).bytes == Array("the file".utf8))
            #expect(upstream.server.calls[0].headers["authorization"] == "Bearer token-1")
            #expect(upstream.server.calls[0].headers["x-allow"] == "true")
            #expect(store.calls.map(\.target) == ["/c/file.zip?sig=a%2Fb"])
            #expect(store.calls[0].headers["authorization"] == nil)
            #expect(store.calls[0].headers["x-allow"] == nil)
        }
        try await store.stop()
    }

    @Test("fault C5: a download that is redirected to storage takes one place, and the storage's 429 halves no budget")
    func storageIsNotPaced() async throws {
        let store = try await RawServer.start { _, index in
            [index == 0 ? RawServer.answer(429, ["Retry-After: 1"]) : Self.blob]
        }
        let location = "http://127.0.0.1:\(store.port)/c/file.zip"
        try await Upstream.with(budget: RequestBudget(2, per: .seconds(60)), patience: .seconds(4)) { _, _ in
            [RawServer.answer(302, ["Location: \(location)"])]
        } test: { upstream in
            let rule = HostRule.origin(of: try #require(UpstreamURL(location)))
            let request = try upstream.request(.get, bearer: true)
            let first = try await upstream.download(request, redirects: [rule])
            #expect(first.status == 429)
            let second = try await upstream.download(request, redirects: [rule])
            #expect(await read(second.bytes).bytes == Array("the file".utf8))
            #expect(upstream.server.calls.count == 2 && store.calls.count == 2)
            let error = try await providerError { try await upstream.send(upstream.request(.get)) }
            #expect(error.isOwnWait)
        }
        try await store.stop()
    }

    @Test func theTokenStaysWithItsOwnHost() async throws {
        try await Upstream.with { call, _ in
            [call.target == "/thing" ? RawServer.answer(302, ["Location: /other?x=1#part"]) : Self.blob]
        } test: { upstream in
            let download = try await upstream.download(upstream.request(.get, bearer: true))
            #expect(download.status == 200)
            #expect(upstream.server.calls.map(\.target) == ["/thing", "/other?x=1"])
            #expect(upstream.server.calls[1].headers["authorization"] == "Bearer token-1")
        }
    }

    @Test(arguments: ["https://login.microsoftonline.com/common", "//login.microsoftonline.com/x"])
    func aSignInPageIsARefusedToken(_ location: String) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: \(location)"])]
        } test: { upstream in
            let error = try await providerError { try await upstream.download(upstream.request(.get, bearer: true)) }
            #expect(error.code == .unauthenticated)
            #expect(error.detail.contains("login.microsoftonline.com"))
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test func aForeignHostIsNotCalled() async throws {
        let foreign = try await RawServer.start { _, _ in [Self.blob] }
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: http://127.0.0.1:\(foreign.port)/?sig=SECRETSIG"])]
        } test: { upstream in
            let rule = HostRule.subdomains(of: "blob.core.windows.net")
            for bearer in [true, false] {
                let error = try await providerError {
                    try await upstream.download(upstream.request(.get, bearer: bearer), redirects: [rule])
                }
                #expect(error.code == .unauthenticated)
                #expect(!"\(error)".contains("SECRETSIG"))
            }
            #expect(foreign.calls.isEmpty)
        }
        try await foreign.stop()
    }

    @Test func aCircleEnds() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: /thing"])]
        } test: { upstream in
            let error = try await providerError { try await upstream.download(upstream.request(.get, bearer: true)) }
            #expect(error.code == .permanent)
            #expect(error.detail.contains("too often"))
            #expect(upstream.server.calls.count == 4)
        }
    }

    @Test(arguments: [
        ("", "is empty"), ("ftp://127.0.0.1/", "neither an http"), ("http://user@127.0.0.1/", "a user name"),
        ("http://", "no host"), ("http:/x", "no host"), ("/%zz", "percent sign"),
    ])
    func anAddressThatCannotBeReadIsAnError(_ location: String, _ words: String) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: \(location)"])]
        } test: { upstream in
            let error = try await providerError { try await upstream.download(upstream.request(.get)) }
            #expect(error.code == .permanent)
            #expect(error.detail.contains(words), "\(error.detail)")
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test func a3xxWithoutALocationComesBackAsItIs() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(302)]
        } test: { upstream in
            let first = try await upstream.download(upstream.request(.get))
            #expect(first.status == 302)
        }
    }

    @Test func otherCallsFollowNothing() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(302, ["Location: /other"])]
        } test: { upstream in
            let first = try await upstream.send(upstream.request(.get))
            #expect(first.status == 302)
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test(
        arguments: [
            ("https://a.example/x?y", "/z", "https://a.example/z"),
            ("https://a.example:8443/x", "/z?q=%2F", "https://a.example:8443/z?q=%2F"),
            ("https://a.example/x", "//b.example/z", "https://b.example/z"),
            ("http://a.example/x", "//b.example/z", "http://b.example/z"),
            ("http://a.example/x", "https://b.example/#top", "https://b.example/"),
            // Never from https to http.
            ("https://a.example/x", "http://a.example/x", nil),
            ("https://a.example/x", "HTTP://b.example/", nil),
            ("https://a.example/x/y?q", "z", "https://a.example/x/z"),
            ("https://a.example/x/y", "../z?w", "https://a.example/z?w"),
            ("https://a.example/x/y?q", "?$skip=2", "https://a.example/x/y?$skip=2"),
            ("https://a.example/x", "/\\b.example/", "https://b.example/"),
            ("https://a.example/x", "javascript:alert(1)", nil),
            ("https://a.example/x", " /a b/[c]/é ", "https://a.example/a%20b/%5Bc%5D/%C3%A9"),
        ] as [(String, String, String?)]
    )
    func locationsAreResolved(_ base: String, _ location: String, _ target: String?) throws {
        let base = try #require(UpstreamURL(base))
        #expect((try? UpstreamURL(link: location, from: base))?.reveal() == target)
    }
}
