import Exports
import Foundation
import HTTPTypes
import InternetAddresses
import NIOCore
import Testing

@testable import GatewayAPI

@Suite struct LinksTests {
    private let id: ExportID = {
        var random = SystemRandomNumberGenerator()
        return ExportID(at: Timestamp(milliseconds: 0), random: &random)
    }()

    /// Below a prefix that the gateway does not know, the references resolve as they do at the root.
    @Test(
        arguments: ["", "/gateway", "/a/b"],
        [
            "/exports", "/exports/{id}", "/exports/{id}/files", "/exports/{id}/content", "/exports/{id}/files/1",
            "/exports/{ID}", "/exports/{ID}/files",
        ]
    )
    func relativeReferencesResolve(prefix: String, pattern: String) throws {
        let path = pattern.replacing("{id}", with: "\(id)").replacing("{ID}", with: "\(id)".uppercased())
        let target = try #require(RequestTarget(path))
        let links = Links(base: nil, path: target.segments.map(\.raw))
        let asked = try #require(URL(string: "https://example.com\(prefix)\(path)"))
        for (reference, expected) in [
            (links.export(id), "/exports/\(id)"), (links.file("a:b c", of: id), "/exports/\(id)/files/a%3Ab%20c"),
        ] {
            #expect(!reference.hasPrefix("/"))
            let resolved = try #require(URL(string: reference, relativeTo: asked)).absoluteString
            #expect(resolved == "https://example.com\(prefix)\(expected)")
        }
        #expect(links.operation(of: id) == nil)
    }

    @Test func relativeReferencesAreShort() {
        func links(_ path: String) -> Links { Links(base: nil, path: path.split(separator: "/")) }
        #expect(links("exports").export(id) == "exports/\(id)")
        #expect(links("exports/\(id)").export(id) == "\(id)")
        #expect(links("exports/\(id)").file("1", of: id) == "\(id)/files/1")
        #expect(links("exports/\(id)/files").file("1", of: id) == "files/1")
        #expect(links("exports/\(id)/files").export(id) == "../\(id)")
    }

    @Test func absoluteLinksAreTheSameEverywhere() {
        let links = Links(base: "https://example.com/gateway", path: ["exports", "x", "files"])
        #expect(links.export(id) == "https://example.com/gateway/exports/\(id)")
        #expect(links.file("1", of: id) == "https://example.com/gateway/exports/\(id)/files/1")
        #expect(links.operation(of: id) == "https://example.com/gateway/exports/\(id)/operation")
    }
}

/// Whose word counts on the address that clients use.
@Suite struct PublicAddressTests {
    private static let trusted = ["10.0.0.0/8", "2001:db8::/32"]

    private func base(
        _ fields: [(String, String)],
        from peer: String? = "10.1.2.3",
        configured: String? = nil
    ) throws -> String? {
        var headers = HTTPFields()
        for (name, value) in fields {
            headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
        }
        let address = PublicAddress(configured: configured, trustedProxies: try Self.trusted.map { try IPRange($0) })
        return address.base(of: headers, from: try peer.map { try SocketAddress(ipAddress: $0, port: 4711) })
    }

    @Test(
        arguments: [
            ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example")], "https://e.example"),
            (
                [
                    ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("X-Forwarded-Prefix", ""),
                    ("Forwarded", ""),
                ], "https://e.example"
            ),
            (
                [
                    ("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "e.example:8443"),
                    ("X-Forwarded-Prefix", "/gateway/v1/"),
                ], "https://e.example:8443/gateway/v1"
            ),
            (
                [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "[::1]:1"), ("X-Forwarded-Prefix", "/")],
                "https://[::1]:1"
            ),
            // The nearest proxy's word stands last, in one line or in several.
            (
                [("X-Forwarded-Proto", "ftp, https"), ("X-Forwarded-Host", "evil.example, e.example")],
                "https://e.example"
            ),
            (
                [
                    ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
                    ("X-Forwarded-Host", "e.example"),
                ], "https://e.example"
            ),
            ([("Forwarded", "for=192.0.2.1;proto=https;host=e.example")], "https://e.example"),
            (
                [("Forwarded", "For=\"[2001:db8::1]:4711\" ; HOST=\"e.example:8443\";Proto=http")],
                "http://e.example:8443"
            ),
            ([("Forwarded", "host=e.example:8443;proto=https")], "https://e.example:8443"),
            (
                [("Forwarded", "for=1.1.1.1;host=evil.example;proto=https, for=192.0.2.1;host=e.example;proto=https")],
                "https://e.example"
            ),
            // The client of the nearest proxy is a trusted proxy: what that one said counts, and not what its client said.
            (
                [
                    (
                        "Forwarded",
                        "for=10.9.9.9;host=evil.example;proto=https, for=192.0.2.1;host=e.example;proto=https"
                    ),
                    ("Forwarded", "for=10.4.5.6;host=inside.example;proto=http"),
                ], "https://e.example"
            ),
            (
                [("Forwarded", "for=_a;host=evil.example;proto=https, for=unknown;host=e.example;proto=https")],
                "https://e.example"
            ),
            (
                [
                    ("Forwarded", "for=192.0.2.1;host=e.example;proto=https"), ("X-Forwarded-Host", "e.example"),
                    ("X-Forwarded-Proto", "https"),
                ], "https://e.example"
            ),
        ] as [([(String, String)], String)]
    )
    func aTrustedProxySays(_ fields: [(String, String)], _ expected: String) throws {
        #expect(try base(fields) == expected)
        #expect(try base(fields, from: "::ffff:10.1.2.3") == expected)
        #expect(try base(fields, from: "2001:db8::1") == expected)
        // Anybody else says nothing.
        for peer in ["11.0.0.1", "9.255.255.255", "2001:db9::1", "::1", nil] {
            #expect(try base(fields, from: peer) == nil)
        }
        #expect(try base(fields, from: nil, configured: "https://c.example/x/") == "https://c.example/x")
        #expect(try base(fields, configured: "https://c.example") == "https://c.example")
    }

    @Test(
        arguments: [
            [], [("X-Forwarded-Host", "e.example")], [("X-Forwarded-Proto", "https")], [("Host", "e.example")],
            [("Forwarded", "for=192.0.2.1;proto=https")], [("Forwarded", "for=192.0.2.1;host=e.example")],
            [("Forwarded", "")],
            [("X-Forwarded-Proto", "javascript"), ("X-Forwarded-Host", "e.example")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example/x")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "user@e.example")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example,")],
            // A proxy of one kind passes the other kind on, whoever wrote it.
            [
                ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"),
                ("Forwarded", "host=evil.example;proto=https"),
            ],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("Forwarded", "for=\"")],
            [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=e.example;proto=https")],
            // An open quotation mark swallows what the proxy appended.
            [("Forwarded", "host=evil.example;proto=https;x=\", for=192.0.2.1;host=e.example;proto=https")],
            [("Forwarded", "host=evil.example;proto=https;x=\", for=\"[2001:db8::1]\";host=e.example;proto=https")],
            [("Forwarded", "host=evil.example;host=e.example;proto=https")],
            [("Forwarded", "host=evil.example;proto=https;=")], [("Forwarded", "host evil.example;proto=https")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("X-Forwarded-Prefix", "gateway")],
            [
                ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"),
                ("X-Forwarded-Prefix", "//evil.example"),
            ],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("X-Forwarded-Prefix", "/a/../b")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("X-Forwarded-Prefix", "/a?b")],
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "e.example"), ("X-Forwarded-Prefix", "/%2e")],
        ] as [[(String, String)]]
    )
    func whatIsNotWhollySaidIsNotKnown(_ fields: [(String, String)]) throws {
        #expect(try base(fields) == nil)
    }

    @Test(arguments: ["localhost", "localhost:8080", "exports.contoso.com", "127.0.0.1:1", "[::1]", "[::1]:8080"])
    func hostsThatCanBeRepeated(host: String) {
        #expect(HostName.isValid(host))
    }

    @Test(arguments: [
        "", "a b", "a/b", "user@host", "host:", "host:x", "host:999999", "host:70000", "[::1", "[x]", "[]", "a\r\nb",
        "ho\"st", ":80", "[::1]x", String(repeating: "a", count: 256),
    ])
    func hostsThatCannot(host: String) {
        #expect(!HostName.isValid(host))
    }
}
