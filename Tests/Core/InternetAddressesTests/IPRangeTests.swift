import InternetAddresses
import NIOCore
import Testing

@Suite struct IPRangeTests {
    @Test(
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"), ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"), ("::1", "::1", "::2"), ("fc00::/7", "fdff::1", "fe00::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("2001:db8:8000::/33", "2001:db8:ffff::", "2001:db8:7fff::"),
        ]
    )
    func holds(_ text: String, inside: String, outside: String) throws {
        let range = try IPRange(text)
        #expect(range.contains(try SocketAddress(ipAddress: inside, port: 1)))
        #expect(!range.contains(try SocketAddress(ipAddress: outside, port: 1)))
        #expect(range.description == text)
        #expect(!range.contains(try SocketAddress(unixDomainSocketPath: "/x")))
    }

    @Test(
        arguments: [
            ("", .notAnAddress), ("proxy.example", .notAnAddress), ("10.0.0", .notAnAddress),
            ("10.0.0.1:80", .notAnAddress),
            ("10.0.0.0/", .notAPrefix(longest: 32)), ("10.0.0.0/33", .notAPrefix(longest: 32)),
            ("10.0.0.0/08", .notAPrefix(longest: 32)), ("10.0.0.0/+8", .notAPrefix(longest: 32)),
            ("::/129", .notAPrefix(longest: 128)), ("0.0.0.0/0", .everybody), ("::/0", .everybody),
            ("10.1.0.0/8", .bitsBehindPrefix("10.0.0.0/8")), ("2001:db8::1/64", .bitsBehindPrefix("2001:db8::/64")),
        ] as [(String, IPRange.Fault)]
    )
    func refuses(_ text: String, _ fault: IPRange.Fault) {
        #expect(throws: fault) { try IPRange(text) }
    }
}
