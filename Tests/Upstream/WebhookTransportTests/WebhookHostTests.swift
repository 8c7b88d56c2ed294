import TestSupport
import Testing

@testable import WebhookTransport

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct WebhookHostTests {
    @Test(arguments: [
        "hooks.example.com", "a", "xn--bcher-kva.example", "under_score.example", "1.example", "0x7f.example", "a-b.c1",
        String(repeating: "a", count: 63) + ".example",
    ])
    func names(text: String) {
        #expect(WebhookHost(text) == .name(text))
        #expect(WebhookHost(text.uppercased()) == .name(text))
    }

    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("255.255.255.255", "255.255.255.255"), ("::1", "::1"), ("0:0:0:0:0:0:0:1", "::1"),
        ("FE80::1", "fe80::1"), ("::ffff:7f00:1", "::ffff:127.0.0.1"), ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
    ])
    func addresses(text: String, usual: String) {
        #expect(WebhookHost(text) == .address(usual))
    }

    @Test(arguments: [
        "", ".", "..", "a.", ".a", "a..b", "-a.example", "a-.example", "a b", "a\t", "a\0b", "a/b", "a@b", "a%2eb",
        "b\u{FC}cher.example", "\u{FF11}27.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "0177.0.0.1", "127.0.0.01",
        "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.0x1", "256.0.0.1", "1.2.3.4.5", "0", "0x",
        "0X7F000001", "4294967296", "a.1", "a.0x1", "1.2.3.example.4", "[::1]", "::1%lo", "::1%251", "fe80::1%eth0",
        ":",
        ":::", "1::2::3", "::127.0.1", "::0x1", "12345::", String(repeating: "a", count: 64) + ".example",
        String(repeating: "a.", count: 127) + "b",
    ])
    func nothingElse(text: String) {
        #expect(WebhookHost(text) == nil)
    }

    /// No name is an address for the system's resolver, which reads more spellings than the usual one.
    @Test func noNameIsReadAsAnAddress() {
        let pieces = [
            "127", "0", "1", "0x", "0x7f", "0X7F", "0177", "256", "2130706433", "f", "ff", "e", "-", "_", ".", ".", ".",
            ":",
            "::", "%", "a", "x", "lo", "08", "+1", " ", "\t", "7f000001", "ffff", "[", "]",
        ]
        var random = SeededRandom(seed: 20)
        var (names, addresses, readBySystem) = (0, 0, 0)
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 1...8, using: &random)).map { _ in pieces.randomElement(using: &random)! }
                .joined()
            let isNumeric = isAddress(text)
            if isNumeric { readBySystem += 1 }
            switch WebhookHost(text) {
            case .name:
                names += 1
                #expect(!isNumeric, "\(text)")
            case .address: addresses += 1
            case nil: break
            }
        }
        #expect(names > 250 && addresses > 25 && readBySystem > 250)
    }

    private func isAddress(_ text: String) -> Bool {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        defer { if let list { freeaddrinfo(list) } }
        return getaddrinfo(text, nil, &hints, &list) == 0
    }
}
