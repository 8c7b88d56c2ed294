import Exports
import Testing

@testable import GatewayClient

@Suite struct AddressTests {
    @Test(arguments: [
        ("https://Exports.Example.com", "https://exports.example.com"),
        ("https://exports.example.com:443/", "https://exports.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80/gateway//", "http://[::1]/gateway"),
        ("https://h:8443/a%20b/", "https://h:8443/a%20b"),
    ])
    func isWrittenInOneWay(text: String, address: String) throws {
        #expect(try GatewayAddress(text).description == address)
    }

    /// Certificates have names in ASCII, whatever the letters of the address.
    @Test(arguments: [
        ("https://Exports.Example.com:8443/x", "exports.example.com"),
        ("https://b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://10.0.0.1", nil), ("https://[2001:db8::1]", nil),
    ])
    func theNameThatACertificateHasToHave(text: String, name: String?) throws {
        #expect(try GatewayAddress(text).hostName == name)
    }

    @Test(arguments: [
        "", "exports.example.com", "ftp://h", "https://", "https://user@h", "https://u:p@h", "https://h?x=1",
        "https://h#f",
        "https://h:0", "https://h:70000", "/exports",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(throws: GatewayAddress.Invalid.self) { try GatewayAddress(text) }
    }

    @Test func stepsAndQueriesAreEscaped() throws {
        let address = try GatewayAddress("https://h/base/")
        #expect(address.url(["exports", "a/b?c#d"]) == "https://h/base/exports/a%2Fb%3Fc%23d")
        #expect(address.url(["exports", "..", "x"]) == "https://h/base/exports/%2E%2E/x")
        #expect(address.url(["exports"], query: [("a b", "c&d")]) == "https://h/base/exports?a%20b=c%26d")
    }

    @Test(arguments: ["http://localhost:1", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]"])
    func aKeyMayGoToThisMachine(text: String) async throws {
        let client = try GatewayClient(GatewayAddress(text), key: GatewayKey("a key"))
        try await client.shutdown()
    }

    @Test(arguments: [
        "http://exports.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com", "http://localhost.example",
    ])
    func aKeyDoesNotGoOverPlainHTTP(text: String) async throws {
        let address = try GatewayAddress(text)
        #expect(throws: GatewayClient.Unusable.self) { try GatewayClient(address, key: GatewayKey("a key")) }
        let tokens = GatewayClient.UpstreamTokens(calls: GatewayKey("a token"))
        #expect(throws: GatewayClient.Unusable.self) { try GatewayClient(address, key: nil, tokens: tokens) }
        try await GatewayClient(address, key: nil).shutdown()
        var settings = ClientSettings()
        settings.allowsPlainHTTP = true
        try await GatewayClient(address, key: GatewayKey("a key"), settings: settings).shutdown()
    }
}

@Suite struct KeyTests {
    @Test func neverPrintsItself() throws {
        let key = try #require(GatewayKey("  very-secret\r\n"))
        #expect(key.bearer == "Bearer very-secret")
        var dumped = ""
        dump(key, to: &dumped)
        let tokens = GatewayClient.UpstreamTokens(calls: key, downloads: key)
        for text in ["\(key)", String(reflecting: key), "\([key])", "\(tokens)", String(reflecting: tokens), dumped] {
            #expect(!text.contains("very-secret"))
        }
    }

    @Test(arguments: ["", " \n", "a\nb", "a\r\nX-Header: 1", "ä", "\0"])
    func whatNoFieldCanCarryIsNoKey(text: String) {
        #expect(GatewayKey(text) == nil)
    }
}
