import HTTPFields
import Exports
import Testing
@testable import UpstreamHTTP

@Suite struct UpstreamURLTests {
    @Test(arguments: [
        ("https://graph.microsoft.com", "https://graph.microsoft.com/"),
        ("HTTPS://Graph.Microsoft.COM/V1.0/Me", "https://graph.microsoft.com/V1.0/Me"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://a.example:80/x", "http://a.example/x"),
        ("https://a.example:8443", "https://a.example:8443/"),
        ("http://127.0.0.1:8090/?q", "http://127.0.0.1:8090/?q"),
        ("https://a.example?x=1", "https://a.example/?x=1"),
        ("https://a.example/?", "https://a.example/?"),
        ("https://a.example/a?b?c", "https://a.example/a?b?c"),
        ("https://a.example/%2F%7e%00/../x//y;p=1", "https://a.example/%2F%7e%00/../x//y;p=1"),
        ("https://a.example/x?$skiptoken=%24a%2fB+%20%25", "https://a.example/x?$skiptoken=%24a%2fB+%20%25"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]/"),
        ("https://[::ffff:1.2.3.4]/", "https://[::ffff:1.2.3.4]/"),
        ("https://under_score.example/", "https://under_score.example/"),
    ])
    func readsAndKeeps(_ text: String, _ whole: String) throws {
        let url = try #require(UpstreamURL(text))
        #expect(url.reveal() == whole)
        #expect(UpstreamURL(whole) == url)
    }

    @Test(arguments: [
        "", "/", "//a.example/", "a.example", "graph.microsoft.com/v1.0", "https:", "https://", "https:///x",
        "https:a.example",
        "https:/a.example", "ftp://a.example/", "file:///etc/passwd", "javascript://a.example/", "unix://a.example/",
        "http+unix://%2Fvar%2Frun/", "data://a.example/",
        // User information, in its disguises.
        "https://user@a.example/", "https://user:pass@a.example/", "https://graph.microsoft.com@evil.example/",
        "https://graph.microsoft.com:443@evil.example/", "https://@a.example/",
        "https://graph.microsoft.com%40evil.example/",
        "https://[::1]@evil.example/",
        // Fragments.
        "https://a.example/#x", "https://a.example#", "https://graph.microsoft.com#@evil.example/",
        // Hosts and ports.
        "https://a.example:/", "https://a.example:0/", "https://a.example:65536/", "https://a.example:-1/",
        "https://a.example:44e1/", "https://a.example:443:443/", "https://a example/", "https://a.example%2eb/",
        "https://exämple.com/", "https://ｇraph.microsoft.com/", "https://[::1/", "https://::1/", "https://[::1]x/",
        "https://[::1%25eth0]/", "https://[graph.microsoft.com]/", "https://[127.0.0.1]/", "https://[dead.beef]/",
        "https://a,b.example/", "https://*.example/",
        "https://a.example!/",
        // Bytes that no URL has.
        "https://a.example/a b", "https://a.example/\r\nHost: evil", "https://a.example/\t", "https://a.example/\0",
        "https://a.example/é", "https://a.example\\@evil.example/", "https://a.example/\\evil", "https://a.example/<x>",
        "https://a.example/\"", "https://a.example/{x}", "https://a.example/|", "https://a.example/^",
        "https://a.example/`",
        " https://a.example/", "https://a.example/ ", "https://a.example/\u{7F}",
        "https://a.example/100%", "https://a.example/%zz", "https://a.example/%E9%FF", "https://a.example/?q=%2",
        "https://a.example/[x]",
        "https://a.example/?a[0]=1",
        "https://a.example/" + String(repeating: "a", count: 8192),
    ])
    func refuses(_ text: String) {
        #expect(UpstreamURL(text) == nil)
    }

    @Test func takesItApart() throws {
        let url = try #require(UpstreamURL("https://A.example:8443/p/q?x=1"))
        #expect(url.scheme == .https)
        #expect(url.host == "a.example")
        #expect(url.port == 8443)
        #expect(url.path == "/p/q")
        #expect(url.query == "x=1")
        #expect(url.origin == "https://a.example:8443")
        #expect(UpstreamURL("http://[::1]/")?.host == "::1")
        #expect(UpstreamURL("http://a.example/")?.port == 80)
        #expect(UpstreamURL("https://a.example").map { $0.query == nil } == true)
    }

    @Test(
        arguments: [
            ("https://a.example", ["x"], [], "https://a.example/x"),
            ("https://a.example/", ["x"], [], "https://a.example/x"),
            ("https://a.example/v1.0/", ["x"], [], "https://a.example/v1.0/x"),
            ("https://a.example/v1.0", [], [], "https://a.example/v1.0"),
            ("https://a.example/", [], [("q", "1")], "https://a.example/?q=1"),
            ("https://a.example/v1.0", ["a/b=c", "é+ %", ""], [], "https://a.example/v1.0/a%2Fb%3Dc/%C3%A9%2B%20%25/"),
            ("https://a.example/v1.0", ["..", ".", "...", "a.b"], [], "https://a.example/v1.0/%2E%2E/%2E/.../a.b"),
            (
                "https://a.example/v", [], [("$filter", "a eq 'b'"), ("x&y", "=")],
                "https://a.example/v?$filter=a%20eq%20%27b%27&x%26y=%3D"
            ),
            ("https://a.example/v?z=%2f", ["w"], [("q", "1")], "https://a.example/v/w?z=%2f&q=1"),
            ("https://a.example/v?z=%2f", ["w"], [], "https://a.example/v/w?z=%2f"),
        ] as [(String, [String], [(String, String)], String)]
    )
    func appends(_ base: String, _ segments: [String], _ query: [(String, String)], _ whole: String) throws {
        let url = try #require(UpstreamURL(base))
            .appending(path: segments, query: query.map { (name: $0.0, value: $0.1) })
        #expect(UpstreamURL(url.reveal()) == UpstreamURL(whole))
        #expect(url == UpstreamURL(whole))
    }

    @Test func keepsEveryUnreservedByteAndNoOther() {
        let all = String(decoding: (UInt8(0)...127).map { $0 }, as: UTF8.self)
        let encoded = PercentEncoding.encode(all)
        #expect(encoded.hasPrefix("%00%01"))
        #expect(encoded.contains("%2B%2C-.%2F0123456789%3A"))
        #expect(encoded.hasSuffix("xyz%7B%7C%7D~%7F"))
        #expect(PercentEncoding.encode("漢") == "%E6%BC%A2")
    }

    @Test func printsWithoutItsQuery() throws {
        let url = try #require(UpstreamURL("https://x.blob.core.windows.net/c/f.zip?sig=SECRET"))
        var dumped = ""
        dump([url], to: &dumped)
        for text in [
            "\(url)", String(reflecting: url), "\([url])", dumped, "\(Mirror(reflecting: url).children.map(\.value))",
        ] {
            #expect(text.contains("x.blob.core.windows.net/c/f.zip"))
            #expect(!text.contains("SECRET"))
        }
    }
}

@Suite struct HostRuleTests {
    private static let graph = HostRule.host("graph.microsoft.com")
    private static let blob = HostRule.subdomains(of: "blob.core.windows.net")

    @Test(arguments: [
        "https://graph.microsoft.com/", "https://GRAPH.microsoft.com/v1.0?x", "https://graph.microsoft.com:443/",
    ])
    func theHostItself(_ text: String) throws {
        #expect(Self.graph.matches(try #require(UpstreamURL(text))))
    }

    @Test(arguments: [
        "http://graph.microsoft.com/", "https://graph.microsoft.com:8443/", "http://graph.microsoft.com:443/",
        "https://evilgraph.microsoft.com/", "https://x.graph.microsoft.com/", "https://graph.microsoft.com./",
        "https://graph.microsoft.com.attacker.example/", "https://graph-microsoft.com/", "https://graph.microsoft.co/",
        "https://attacker.example/graph.microsoft.com", "https://attacker.example/?graph.microsoft.com",
    ])
    func noOtherHost(_ text: String) throws {
        #expect(!Self.graph.matches(try #require(UpstreamURL(text))))
    }

    @Test(arguments: ["https://x.blob.core.windows.net/c", "https://A.b.Blob.Core.Windows.NET/"])
    func everySubdomain(_ text: String) throws {
        #expect(Self.blob.matches(try #require(UpstreamURL(text))))
    }

    @Test(arguments: [
        "https://blob.core.windows.net/", "https://.blob.core.windows.net/", "https://xblob.core.windows.net/",
        "https://evilblob.core.windows.net.attacker.example/", "https://x.blob.core.windows.net.attacker.example/",
        "http://x.blob.core.windows.net/", "https://x.blob.core.windows.net:444/", "https://x.blob.core.windows.net./",
        "https://attacker.example/x.blob.core.windows.net", "https://x.blob-core.windows.net/", "https://[::1]/",
    ])
    func noOtherDomain(_ text: String) throws {
        #expect(!Self.blob.matches(try #require(UpstreamURL(text))))
    }

    @Test(arguments: [
        "https://a0702files.blob.core.windows.net/c/x.zip?se=1", "https://Westus01FILES.Blob.Core.Windows.NET/",
        "https://x-files.blob.core.windows.net:443/",
    ])
    func everyHostOfAnEnding(_ text: String) throws {
        #expect(try Self.files.matches(try #require(UpstreamURL(text))))
    }

    @Test(arguments: [
        "https://files.blob.core.windows.net/", "https://a.files.blob.core.windows.net/",
        "https://a.b.files.blob.core.windows.net/", "https://a.bfiles.blob.core.windows.net/",
        "https://.files.blob.core.windows.net/", "https://afiles.blob.core.windows.net./",
        "https://afiles.blob.core.windows.net.attacker.example/", "https://afilesblob.core.windows.net/",
        "https://attacker.example/afiles.blob.core.windows.net", "http://afiles.blob.core.windows.net/",
        "https://afiles.blob.core.windows.net:444/", "https://[::1]/",
    ])
    func noHostWithoutTheEnding(_ text: String) throws {
        #expect(try !Self.files.matches(try #require(UpstreamURL(text))))
    }

    private static var files: HostRule {
        get throws { try #require(HostRule.hosts(ending: "Files.blob.core.windows.net")) }
    }

    @Test(arguments: [
        "", "com", "example.com", "a..example.com", ".a.example.com", "a.example.com:8443", "a.example.com/x",
    ])
    func endingsThatOthersCouldComplete(_ ending: String) {
        #expect(HostRule.hosts(ending: ending) == nil)
    }

    @Test func anOriginIsSchemeHostAndPort() throws {
        let rule = HostRule.origin(of: try #require(UpstreamURL("http://127.0.0.1:8090/x?y")))
        #expect(rule.matches(try #require(UpstreamURL("http://127.0.0.1:8090/z"))))
        for other in [
            "https://127.0.0.1:8090/", "http://127.0.0.1:8091/", "http://127.0.0.1/", "http://localhost:8090/",
        ] {
            #expect(!rule.matches(try #require(UpstreamURL(other))))
        }
    }

    @Test(arguments: [
        ("Graph.microsoft.com", "graph.microsoft.com"), ("*.blob.core.windows.net", "*.blob.core.windows.net"),
        ("*Files.blob.core.windows.net", "*files.blob.core.windows.net"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"), ("https://a.example/", "https://a.example"),
    ])
    func isReadAndPrinted(_ text: String, _ printed: String) {
        #expect(HostRule(parsing: text)?.description == printed)
    }

    @Test(arguments: [
        "", "*", "*.", "*.*.example", "a.*.example", "a.example:8443", "a.example/x", "https://a.example/x",
        "https://a.example/?q", "https://user@a.example", "a b", "a.example?x", "[::1]", "*.*", ".example/..",
        "*example.com", "**a.example.com", "*a.example.com/x", "*a..example.com", "a*.b.example.com",
    ])
    func refuses(_ text: String) {
        #expect(HostRule(parsing: text) == nil)
    }
}
