import CallerIdentity
import ManualClock
import Telemetry
import Exports
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import SystemCrypto
import Synchronization
import Testing

@testable import GatewayAPI

/// TLS on the gateway's own port, over real sockets.
@Suite(.timeLimit(.minutes(5))) struct TLSTests {
    private let workshop: CertificateWorkshop

    init() throws { workshop = try CertificateWorkshop() }

    private static let livez = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"

    private func identity(_ change: (inout TLSSettings) -> Void = { _ in }) throws -> TLSIdentity {
        var settings = workshop.settings
        change(&settings)
        return try TLSIdentity(settings, at: SystemTime().now())
    }

    /// Whether a client gets an answer; false when there is no agreement on TLS.
    private func isServed(_ server: LiveServer, _ client: NIOSSLContext) async throws -> Bool {
        do {
            return try await server.connect(tls: client) { client in
                try await client.send(Self.livez)
                return try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 ")
            }
        } catch  where error is NIOSSLError || error is BoringSSLError || error is ChannelError {
            // In TLS 1.3 a client learns that its certificate is not wanted when it sends its first request.
            return false
        }
    }

    @Test func everythingIsAsWithoutIt() async throws {
        let service = FakeExportService(time: SystemTime()) { _ throws(GatewayError) in
            fileBody(["a,b\n", "1,2\n"], contentLength: 8)
        }
        let gateway = TestGateway(time: SystemTime(), service: service, tls: try identity())
        let export = service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.csv", size: 8)] }
        let client = try workshop.client()
        try await gateway.live { server in
            try await server.connect(tls: client) { client in
                for _ in 1...3 {
                    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n"
                    try await client.send(
                        "GET /exports/\(export.id)/content HTTP/1.1\r\nhost: localhost\r\n\(upgrade)\r\n"
                    )
                    #expect(try await client.readAnswer().body == "a,b\n1,2\n")
                    try await client.send("HEAD /exports/\(export.id)/content HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    #expect(try await client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
                }
                let create = CreateExportTests.body
                let head = "POST /exports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                try await client.send("\(head)content-length: \(create.utf8.count)\r\n\r\n\(create)")
                let created = try await client.readAnswer().head.lowercased()
                #expect(created.contains("\r\nlocation: exports/"))
                // What the handlers below the routes do, they do here too: an upload that nobody wants ends the connection.
                try await client.send("POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{")
                #expect(try await client.readAnswer().head.lowercased().contains("\r\nconnection: close\r\n"))
                #expect(try await client.readToEnd().isEmpty)
            }
            // A break is a break.
            try await server.connect(tls: client) { client in
                try await client.send("GARBAGE\r\n\r\n")
                let answer = try await client.readAnswer()
                #expect(answer.head.hasPrefix("HTTP/1.1 400 "))
            }
        }
    }

    @Test func oldVersionsAndPlainTextGetNothing() async throws {
        let gateway = TestGateway(time: SystemTime(), tls: try identity())
        let (good, old) = (try workshop.client(), try workshop.client(atMost: .tlsv11))
        let other = try workshop.client(trusting: "other-ca")
        let last = try workshop.client(atMost: .tlsv12)
        try await gateway.live { server in
            #expect(try await isServed(server, good))
            #expect(try await isServed(server, last))
            #expect(try await !isServed(server, old))
            #expect(try await !isServed(server, other))
            try await server.connect { client in
                try await client.send(Self.livez)
                let answer = try await client.readToEnd()
                #expect(!answer.contains("HTTP/1.1"))
                #expect(client.isEnded)
            }
            #expect(try await isServed(server, good))
        }
        #expect(!gateway.registry.text().contains("export_gateway_tls_handshakes_failed_total 0\n"))
        let strict = TestGateway(time: SystemTime(), tls: try identity { $0.minimumVersion = .v13 })
        try await strict.live { server async throws in
            #expect(try await isServed(server, good))
            #expect(try await !isServed(server, last))
        }
    }

    @Test func whoNeverBeginsIsCutOff() async throws {
        let gateway = TestGateway(time: SystemTime(), tls: try identity()) { $0.idleTimeout = .milliseconds(200) }
        try await gateway.live { server in
            for bytes in ["", "\u{16}\u{3}\u{1}"] {
                try await server.connect { client in
                    if !bytes.isEmpty { try await client.send(bytes) }
                    _ = try await client.readToEnd()
                    #expect(client.isEnded)
                }
            }
        }
    }

    @Test func newConnectionsGetTheNewCertificate() async throws {
        let identity = try identity()
        let gateway = TestGateway(time: SystemTime(), tls: identity)
        try workshop.issue("renewed", by: "other-ca")
        let (former, new) = (try workshop.client(), try workshop.client(trusting: "other-ca"))
        let workshop = workshop
        try await gateway.live { server in
            try await server.connect(tls: former) { client in
                try await client.send(Self.livez)
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
                let now = SystemTime().now()
                // Half of it is there: the certificate and the key do not fit, and everything stays as it was.
                try workshop.replace("server.pem", by: "renewed.pem")
                guard case .unusable(let error) = identity.reload(at: now) else {
                    Issue.record("a key that is another's was taken")
                    return
                }
                #expect(error.key == "server.tls.key")
                guard case .unchanged = identity.reload(at: now) else {
                    Issue.record("the same mistake is told twice")
                    return
                }
                #expect(try await isServed(server, former))
                try workshop.replace("server.key", by: "renewed.key")
                guard case .replaced = identity.reload(at: now) else {
                    Issue.record("the new certificate was not taken")
                    return
                }
                #expect(try await isServed(server, new))
                #expect(try await !isServed(server, former))
                // The connection that was there goes on.
                try await client.send(Self.livez)
                #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 200 "))
            }
        }
    }

    @Test func aCertificateThatIsNotValidYetIsTakenWhenItIs() throws {
        let identity = try identity()
        try workshop.issue("renewed")
        try workshop.replace("server.pem", by: "renewed.pem")
        try workshop.replace("server.key", by: "renewed.key")
        let now = SystemTime().now()
        let before = now + .seconds(-86_400)
        guard case .unusable(let error) = identity.reload(at: before) else {
            Issue.record("it was taken too early")
            return
        }
        #expect(error.detail.contains("not valid before"))
        guard case .unchanged = identity.reload(at: before + .seconds(5)) else {
            Issue.record("the same refusal is told twice")
            return
        }
        guard case .replaced = identity.reload(at: now) else {
            Issue.record("it was not taken")
            return
        }
        guard case .unchanged = identity.reload(at: now) else {
            Issue.record("it was taken twice")
            return
        }
    }

    @Test func eachRefusalIsToldOnce() throws {
        let identity = try identity()
        let now = SystemTime().now()
        try workshop.replace("good.pem", by: "server.pem")
        func isTold(_ text: String) throws -> Bool {
            try workshop.write(text, as: "server.pem")
            if case .unusable = identity.reload(at: now) { return true }
            return false
        }
        #expect(try isTold("one"))
        #expect(try !isTold("one"))
        // The same words of other files.
        #expect(try isTold("two"))
        try workshop.replace("server.pem", by: "good.pem")
        guard case .unchanged = identity.reload(at: now) else {
            Issue.record("the files in use are those in use")
            return
        }
        #expect(try isTold("two"))
    }

    @Test func theFilesAreLookedAtAgainAndAgain() async throws {
        // Later than whatever is issued below: a certificate is good from that moment on.
        let time = ManualTime(now: SystemTime().now() + .seconds(3600))
        let identity = try identity()
        let registry = PrometheusRegistry()
        let reloading = TLSReloading(
            identity: identity,
            time: time,
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: registry
        )
        let group = ServiceGroup(
            services: [reloading],
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            func reload() async {
                await time.pauses(atLeast: 1)
                time.advance(by: TLSReloading.interval)
                await time.pauses(atLeast: 1)
            }
            await reload()
            #expect(!registry.text().contains("tls_reloads_total"))
            try workshop.issue("renewed")
            try workshop.write("no certificate", as: "server.pem")
            await reload()
            #expect(registry.text().contains("tls_reloads_total{outcome=\"unusable\"} 1\n"))
            try workshop.replace("server.pem", by: "renewed.pem")
            try workshop.replace("server.key", by: "renewed.key")
            await reload()
            #expect(registry.text().contains("tls_reloads_total{outcome=\"replaced\"} 1\n"))
            let end = identity.expiresAt.milliseconds / 1000
            #expect(registry.text().contains("tls_certificate_expiration_timestamp_seconds \(end)\n"))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test func certificatesAreCallers() async throws {
        try workshop.issue("by-thumbprint", subject: "/CN=one")
        try workshop.issue("by-subject", subject: "/O=Contoso/CN=reports")
        try workshop.issue("nobodys", subject: "/CN=nobody")
        try workshop.issue("of-others", subject: "/CN=one", by: "other-ca")
        let thumbprint = SHA256.hash(try workshop.der("by-thumbprint"))
        let gateway = TestGateway(
            time: SystemTime(),
            tls: try identity { $0.clientAuthorityFile = workshop.path("ca.pem") }
        ) {
            $0.clientCertificates = [
                // What tells one certificate comes before what tells many, wherever it stands.
                ClientCertificate(id: "broad", mark: .subject("CN=one")),
                ClientCertificate(id: "first", mark: .thumbprint(thumbprint), permissions: Permissions([.readAll])),
                ClientCertificate(id: "second", mark: .subject("CN=reports,O=Contoso")),
            ]
            $0.apiKeys = [APIKey(id: "third", sha256: SHA256.hash(Array("the-key".utf8)))]
        }
        let create = CreateExportTests.body
        let request =
            "POST /exports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            + "content-length: \(create.utf8.count)\r\n"
        let clients = try [nil, "by-thumbprint", "by-subject", "nobodys", "of-others"]
            .map { ($0, try workshop.client(showing: $0)) }
        try await gateway.live { server in
            for (name, tls) in clients {
                func answer(_ fields: String = "") async throws -> (head: String, body: String) {
                    try await server.connect(tls: tls) { client in
                        try await client.send("\(request)\(fields)\r\n\(create)")
                        return try await client.readAnswer()
                    }
                }
                switch name {
                case "by-thumbprint":
                    // It may read, and that alone.
                    let answer = try await answer()
                    #expect(answer.head.hasPrefix("HTTP/1.1 403 "))
                case "by-subject":
                    #expect(try await answer().body.contains("\"createdBy\":\"second\""))
                    // What is said with the request comes before what the connection says.
                    let keyed = try await answer("authorization: Bearer the-key\r\n")
                    #expect(keyed.body.contains("\"createdBy\":\"third\""))
                    #expect(try await answer("authorization: Bearer wrong\r\n").head.hasPrefix("HTTP/1.1 401 "))
                case "of-others":
                    #expect(try await !isServed(server, tls))
                default:
                    #expect(try await answer().head.hasPrefix("HTTP/1.1 401 "))
                    #expect(try await isServed(server, tls))
                }
            }
        }
    }

    /// Also of a certificate that was good when its connection began.
    @Test func aCallersCertificateIsGoodWhileItIsValid() async throws {
        try workshop.issue("client", subject: "/CN=one")
        let now = SystemTime().now()
        for mark in [ClientCertificate.Mark.subject("CN=one"), .thumbprint(SHA256.hash(try workshop.der("client")))] {
            let time = ManualTime(now: now + .seconds(-86_400))
            let gateway = TestGateway(
                time: time,
                tls: try identity { $0.clientAuthorityFile = workshop.path("ca.pem") }
            ) { $0.clientCertificates = [ClientCertificate(id: "one", mark: mark)] }
            let context = try workshop.client(showing: "client")
            try await gateway.live { server in
                try await server.connect(tls: context) { client in
                    for (wait, status) in [(0, 401), (86_400, 200), (86_400, 200), (86_401, 401)] {
                        time.advance(by: .seconds(wait))
                        try await client.send("GET /exports HTTP/1.1\r\nhost: localhost\r\n\r\n")
                        #expect(try await client.readAnswer().head.hasPrefix("HTTP/1.1 \(status) "))
                    }
                }
            }
        }
    }

    @Test func keysAreAgreedOnForEachConnection() async throws {
        try workshop.issue("rsa", key: "rsa:2048")
        let taken = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"]
        let refused = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA"]
        let gateway = TestGateway(
            time: SystemTime(),
            tls: try identity {
                $0.certificateFile = workshop.path("rsa.pem")
                $0.keyFile = workshop.path("rsa.key")
            }
        )
        let clients = try (taken + refused)
            .map { ($0, try workshop.client(atMost: .tlsv12, ciphers: $0)) }
        try await gateway.live { server async throws in
            for (cipher, client) in clients {
                #expect(try await isServed(server, client) == taken.contains(cipher), "\(cipher)")
            }
        }
    }

    @Test func aCertificateCanBeRequired() async throws {
        try workshop.issue("client", subject: "/CN=one")
        let gateway = TestGateway(
            time: SystemTime(),
            tls: try identity {
                $0.clientAuthorityFile = workshop.path("ca.pem")
                $0.requiresClientCertificate = true
            }
        )
        let (with, without) = (try workshop.client(showing: "client"), try workshop.client())
        try await gateway.live { server async throws in
            #expect(try await isServed(server, with))
            #expect(try await !isServed(server, without))
        }
    }

    @Test func mistakesNameTheirKey() throws {
        try workshop.issue("another")
        try workshop.write("no PEM", as: "text.pem")
        let now = SystemTime().now()
        func refusal(
            after wait: Duration = .zero,
            _ change: (inout TLSSettings) -> Void
        ) throws -> StartupError {
            var settings = workshop.settings
            change(&settings)
            return try #require(throws: StartupError.self) { try TLSIdentity(settings, at: now + wait) }
        }
        let cases: [(StartupError, key: String, words: String)] = [
            (
                try refusal { $0.certificateFile = workshop.path("none.pem") }, "server.tls.certificate",
                "cannot be read"
            ),
            (try refusal { $0.keyFile = workshop.path("none.key") }, "server.tls.key", "cannot be read"),
            (
                try refusal { $0.certificateFile = workshop.path("text.pem") }, "server.tls.certificate",
                "no certificate"
            ),
            (try refusal { $0.keyFile = workshop.path("text.pem") }, "server.tls.key", "no private key"),
            (try refusal { $0.keyFile = workshop.path("another.key") }, "server.tls.key", "does not belong"),
            (
                try refusal { $0.clientAuthorityFile = workshop.path("text.pem") }, "server.tls.clientAuthority",
                "no certificate"
            ),
            (try refusal(after: .seconds(3 * 86_400)) { _ in }, "server.tls.certificate", "expired at"),
            (try refusal(after: .seconds(-86_400)) { _ in }, "server.tls.certificate", "not valid before"),
        ]
        for (error, key, words) in cases {
            #expect(error.key == key)
            #expect(error.detail.contains(words), "\(error)")
        }
    }
}
