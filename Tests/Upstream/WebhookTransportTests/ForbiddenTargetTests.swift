import Exports
import ManualClock
import NIOCore
import TestSupport
import Testing
import WebhookTransport
import Webhooks

/// Nothing connects to an address that is not public, however it is spelled.
@Suite(.timeLimit(.minutes(2))) struct ForbiddenTargetTests {
    /// Hosts as they can be written in a URL, and what becomes of them.
    static let hosts: [(String, WebhookSendFailure)] =
        // Addresses in their usual form.
        [
            "127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
            "169.254.169.254", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1", "255.255.255.255",
            "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0001]",
            "[::ffff:127.0.0.1]", "[::FFFF:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
            "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[::7f00:1]",
            "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
            "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2001:0:7f00:1::]", "[2001::1]", "[2001:db8::1]", "[fe80::1]",
            "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[100::1]",
            // Names of this machine.
            "localhost", "LOCALHOST", "a.localhost", "LocalHost",
        ]
        .map { ($0, .forbiddenAddress) }
        // Names that a resolver answers with an address of this machine.
        + [
            "localtest.example", "metadata.google.internal", "LOOPBACK.EXAMPLE", "ip6-localhost",
            "kubernetes.default.svc",
        ]
        .map { ($0, .forbiddenAddress) }
        // What some programs read as an address, and what is no host.
        + [
            "127.1", "127.0.1", "127.0.0.1.", "127.0.0.01", "0177.0.0.1", "0177.0.0.01", "00000177.0.0.1",
            "017700000001",
            "0x7f.0.0.1", "0x7f.1", "0X7F.0.0.1", "0x7f000001", "0x0000007f000001", "2130706433", "02130706433", "0",
            "0.0",
            "127.0.0.0x1", "4294967297", "127.0.0.257", "256.127.0.0.1", "localhost.", "localhost..", ".localhost",
            "127.0.0.1%00", "127.0.0.1%20", "127%2e0%2e0%2e1", "%31%32%37.0.0.1", "%6c%6fcalhost",
            "localhost%00.example",
            "\u{FF11}\u{FF12}\u{FF17}.0.0.1", "127\u{3002}0\u{3002}0\u{3002}1", "127\u{FF0E}0\u{FF0E}0\u{FF0E}1",
            "\u{2460}\u{2461}\u{2466}.0.0.1", "loc\u{AD}alhost", "\u{FF4C}ocalhost", "\u{24DB}ocalhost",
            "[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]", "[::1", "::1", "[::1]]", "[[::1]]", "[127.0.0.1]",
            "[localhost]",
            "[::127.1]", "[::ffff:127.1]", "[::ffff:0x7f.0.0.1]", "[v1.127.0.0.1]", "",
            " 127.0.0.1", "127.0.0.1 ", "127.0.0.1\t", "\t127.0.0.1", "127.0\n.0.1", "127.0.0.1\r\n", "127.0.0.1\0",
            "user@127.0.0.1", "user:secret@127.0.0.1", "hooks.example.com@127.0.0.1", "@127.0.0.1", "127.0.0.1\\",
            "\\127.0.0.1", "hooks.example.com\\@127.0.0.1", "127.0.0.1:80@hooks.example.com",
            "127.0.0.1;hooks.example.com",
            "127.0.0.1,hooks.example.com", "hooks.example.com:1:2", "127.0.0.1#.example.com", "hooks..example.com", "*",
            "-",
        ]
        .map { ($0, .invalidURL) }

    /// Whole URLs that are none of these schemes and forms, or are not to be called.
    static let urls = [
        "", "127.0.0.1", "//127.0.0.1:PORT/", "/in", "https:", "https:/", "https://", "https:///127.0.0.1:PORT/",
        "https:127.0.0.1:PORT", "https:/127.0.0.1:PORT/", "https:\\\\127.0.0.1:PORT\\", "https://127.0.0.1:PORT:PORT/",
        "http://127.0.0.1:PORT/", "http://localhost:PORT/", "http://[::1]:PORT/", "HTTP://127.0.0.1:PORT/",
        "http://hooks.example.com:PORT/", "ftp://127.0.0.1:PORT/", "file:///etc/passwd", "gopher://127.0.0.1:PORT/",
        "unix:///run/docker.sock", "ws://127.0.0.1:PORT/", "javascript:alert(1)", "https+unix://127.0.0.1:PORT/",
        " https://127.0.0.1:PORT/", "https ://127.0.0.1:PORT/", "https://127.0.0.1:PORT/ HTTP/1.1",
        "view-source:https://a/",
        "https://127.0.0.1:PORT/\r\nHost: a", "https://hooks.example.com:0/", "https://hooks.example.com:65536/",
        "https://hooks.example.com:-1/", "https://hooks.example.com:0x50/", "https://hooks.example.com:/",
        "https://a:4 43/",
    ]

    @Test func nothingConnectsToAHostInAnySpelling() async throws {
        let listeners = try await LoopbackListeners.start(ports: 3)
        let resolver = ScriptedResolver([["127.0.0.1"], ["::1"], ["::1", "127.0.0.1"]])
        let transport = try WebhookTransport(settings: .init(), resolver: resolver, time: ManualTime())
        #expect(Self.hosts.count >= 120)
        for (index, (host, failure)) in Self.hosts.enumerated() {
            let port = listeners.ports[index % listeners.ports.count]
            for url in ["https://\(host):\(port)/in", "https://\(host)"] {
                await expect(failure, of: url, transport)
            }
            // The configuration allows no host, so none by http.
            await expect(.invalidURL, of: "http://\(host):\(port)/in", transport)
        }
        let (counted, made) = try await listeners.connectionsAfterOneToEach()
        #expect(counted == made)
        try await listeners.stop()
    }

    @Test func noOtherURLIsCalled() async throws {
        let listeners = try await LoopbackListeners.start(ports: 1)
        let transport = try WebhookTransport(
            settings: .init(),
            resolver: ScriptedResolver([["127.0.0.1"]]),
            time: ManualTime()
        )
        for url in Self.urls {
            await expect(.invalidURL, of: url.replacing("PORT", with: "\(listeners.ports[0])"), transport)
        }
        let (counted, made) = try await listeners.connectionsAfterOneToEach()
        #expect(counted == made)
        try await listeners.stop()
    }

    @Test func whatIsCheckedWithoutResolvingIsRefusedWhenAWebhookIsMade() throws {
        let resolver = ScriptedResolver([["127.0.0.1"]])
        let transport = try WebhookTransport(settings: .init(), resolver: resolver, time: ManualTime())
        #expect(throws: WebhookSendFailure.forbiddenAddress) { try transport.check("https://169.254.169.254/latest") }
        #expect(throws: WebhookSendFailure.forbiddenAddress) { try transport.check("https://localhost/") }
        #expect(throws: WebhookSendFailure.invalidURL) { try transport.check("https://2130706433/") }
        #expect(throws: WebhookSendFailure.invalidURL) { try transport.check("http://hooks.example.com/") }
        try transport.check("https://hooks.example.com:8443/in?a=b")
        #expect(resolver.questions.all.isEmpty)
    }

    @Test func oneForbiddenAddressAmongOthersForbidsTheName() async throws {
        let listeners = try await LoopbackListeners.start(ports: 1)
        let url = "https://hooks.example.com:\(listeners.ports[0])/"
        let answers = [
            ["2000::1", "127.0.0.1"], ["127.0.0.1", "2000::1"], ["2000::1", "2000::2", "::1"], ["::ffff:127.0.0.1"],
            ["0.0.0.0"], ["::"], ["fe80::1"], ["2000::1", "169.254.169.254"],
        ]
        for answer in answers {
            let resolver = ScriptedResolver([answer])
            let transport = try WebhookTransport(settings: .init(), resolver: resolver, time: ManualTime())
            await expect(.forbiddenAddress, of: url, transport)
        }
        let none = try WebhookTransport(settings: .init(), resolver: ScriptedResolver([[]]), time: ManualTime())
        await expect(.unresolved, of: url, none)
        let (counted, made) = try await listeners.connectionsAfterOneToEach()
        #expect(counted == made)
        try await listeners.stop()
    }

    /// Only the listed host is allowed: not what is below it, not its address, not another spelling of it.
    @Test func anAllowedHostAllowsNoOther() async throws {
        let listeners = try await LoopbackListeners.start(ports: 1)
        var settings = WebhookTransportSettings()
        settings.allowedHosts = Set(["receiver.test", "127.0.0.9"].compactMap { WebhookHost($0) })
        settings.allowsHTTP = true
        let transport = try WebhookTransport(
            settings: settings,
            resolver: ScriptedResolver([["127.0.0.1"]]),
            time: ManualTime()
        )
        let hosts = [
            "a.receiver.test", "receiver.test.example.com", "127.0.0.1", "xreceiver.test", "[::ffff:127.0.0.9]",
        ]
        for host in hosts {
            await expect(.forbiddenAddress, of: "https://\(host):\(listeners.ports[0])/", transport)
            await expect(.invalidURL, of: "http://\(host):\(listeners.ports[0])/", transport)
        }
        await expect(.invalidURL, of: "https://receiver.test.:\(listeners.ports[0])/", transport)
        let (counted, made) = try await listeners.connectionsAfterOneToEach()
        #expect(counted == made)
        try await listeners.stop()
    }

    private func expect(
        _ failure: WebhookSendFailure,
        of url: String,
        _ transport: WebhookTransport,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let error = await #expect(
            throws: WebhookSendFailure.self,
            "\(url.debugDescription)",
            sourceLocation: sourceLocation
        ) {
            try await transport.send(WebhookRequest(url: url, fields: [], body: []))
        }
        #expect(error == failure, "\(url.debugDescription)", sourceLocation: sourceLocation)
    }
}
