import Testing

@testable import WebhookTransport

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
}
