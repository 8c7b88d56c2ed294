import Testing

@testable import UpstreamHTTP

/// The table of what goes past a proxy.
@Suite struct ProxyExceptionTests {
    @Test(arguments: [
        // A name is for itself and what is below it; with a dot before it, for what is below it only.
        ("example.com", "https://example.com/", true), ("example.com", "https://a.b.example.com/", true),
        ("example.com", "https://notexample.com/", false), ("example.com", "https://example.com.evil.test/", false),
        ("example.com", "https://EXAMPLE.com/", true), ("example.com", "https://example.com./", true),
        (".example.com", "https://a.example.com/", true), (".example.com", "https://example.com/", false),
        ("*.example.com", "https://a.example.com/", true), ("*.example.com", "https://example.com/", false),
        ("com", "https://example.com/", true), ("localhost", "http://localhost:8090/", true),
        // A port.
        ("example.com:8443", "https://a.example.com:8443/", true), ("example.com:8443", "https://example.com/", false),
        ("example.com:443", "https://example.com/", true), ("example.com:80", "http://example.com/", true),
        (".example.com:8443", "https://a.example.com:8443/", true), ("10.1.2.3:80", "http://10.1.2.3/", true),
        ("10.1.2.3:80", "https://10.1.2.3/", false), ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", true),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]/", false), ("[2001:db8::1]", "https://[2001:db8::1]/", true),
        // Addresses and ranges. Names are not resolved.
        ("10.1.2.3", "https://10.1.2.3/", true), ("10.1.2.3", "https://10.1.2.30/", false),
        ("10.0.0.0/8", "https://10.255.0.1/", true), ("10.0.0.0/8", "https://11.0.0.1/", false),
        ("10.0.0.0/8", "https://ten.example.com/", false), ("10.0.0.0/8", "https://[::ffff:10.0.0.1]/", true),
        ("2001:db8::/32", "https://[2001:db8:1::9]/", true), ("2001:db8::/32", "https://[2001:db9::1]/", false),
        ("2001:db8::1", "https://[2001:DB8:0::1]/", true), ("2001:db8::/32", "https://10.0.0.1/", false),
    ])
    func matches(entry: String, address: String, isException: Bool) throws {
        let (exception, url) = (try #require(ProxyException(entry)), try #require(UpstreamURL(address)))
        #expect(exception.matches(url) == isException)
        #expect(exception.description == entry)
    }

    @Test(arguments: [
        "", "*", ".", "*.", "..example.com", "example..com", ".example.", "a*.example.com", "10.0.0", "example.10",
        "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "example.com/8", "https://example.com", "user@example.com",
        "example.com:", "example.com:0", "example.com:65536", "example.com:http", "example.com/", "example.com?",
        "2001:db8::1:8443x", "[10.0.0.1]", "exam ple.com", "exämple.com",
    ])
    func isNoEntry(text: String) {
        #expect(ProxyException(text) == nil)
    }

    /// Whatever the exceptions say, nothing of this machine and no metadata of a cloud is asked of a proxy.
    @Test(arguments: [
        ("http://localhost:50342/oauth2/token", false), ("http://127.0.0.1/", false), ("http://127.9.9.9/", false),
        ("http://[::1]:8080/", false), ("http://169.254.169.254/metadata/identity/oauth2/token", false),
        ("http://169.254.130.2:8081/msi/token", false), ("http://[fe80::1]/", false), ("http://a.localhost/", false),
        ("http://[::ffff:127.0.0.1]/", false), ("https://localhost.example.com/", true), ("https://10.0.0.1/", true),
        ("https://128.0.0.1/", true), ("https://graph.microsoft.com/", true),
    ])
    func nearbyHostsAreNeverCarried(address: String, isCarried: Bool) throws {
        let proxy = EgressProxy(url: try #require(UpstreamURL("http://proxy.test:3128")))
        #expect(proxy.carries(try #require(UpstreamURL(address))) == isCarried)
    }
}
