import Exports
import PostgreSQL
import TestPostgreSQL
import TestSupport
import Testing

/// TLS and passwords.
struct LoginTests {
    /// A server that takes nothing but TLS, and passwords by SCRAM except from the superuser.
    private func server(_ name: String, _ files: CertificateFiles) async throws -> TestPostgreSQL {
        var options = TestPostgreSQL.Options()
        let (certificate, key) = try files.issue(for: name)
        options.files = ["server.pem": certificate, "server.key": key]
        options.settings = [
            "ssl": "on", "ssl_cert_file": "'server.pem'", "ssl_key_file": "'server.key'",
            "password_encryption": "'scram-sha-256'",
        ]
        options.access = ["local all all trust", "hostssl all all 127.0.0.1/32 scram-sha-256"]
        let server = try await TestPostgreSQL(options)
        try PostgreSQLConnection(PostgreSQLSettings(uri: server.socketURI(), password: nil))
            .execute("CREATE ROLE app LOGIN PASSWORD 'the right one'")
        return server
    }

    private func failure(_ uri: String, _ password: String?) -> PostgreSQLError? {
        #expect(throws: PostgreSQLError.self) {
            try PostgreSQLConnection(PostgreSQLSettings(uri: uri, password: password.map { Secret($0) }))
        }
    }

    @Test("TLS with a verified certificate and SCRAM: the right password only, and never a word of it")
    func verified() async throws {
        let files = try CertificateFiles()
        let server = try await server("IP:127.0.0.1", files)
        let uri =
            "postgresql://app@127.0.0.1:\(server.port)/postgres?sslmode=verify-full&sslrootcert=\(files.authority)"
        let settings = try PostgreSQLSettings(uri: uri + "&channel_binding=require", password: Secret("the right one"))
        let connection = try PostgreSQLConnection(settings)
        #expect(connection.isEncrypted)
        let row = try connection.query(SQLQuery("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))[0]
        #expect(row.boolean(0) == true)
        #expect(row.text(1) == "TLSv1.3")
        // More than one record of TLS, in one go.
        let text = String(repeating: "x", count: 3_000_001)
        let results = try connection.pipeline((0..<5).map { _ in SQLQuery("SELECT $1::text", [.text(text)]) })
        #expect(results.allSatisfy { $0[0].text(0) == text })

        let wrong = failure(uri, "the wrong one")
        #expect(wrong?.kind == .authentication)
        #expect(wrong?.sqlState == "28P01")
        #expect(wrong.map { !"\($0)".contains("one") } == true)
        #expect(failure(uri, nil)?.kind == .authentication)
        // Without TLS, the server has no rule that lets anybody in.
        #expect(
            failure("postgresql://app@127.0.0.1:\(server.port)/postgres?sslmode=disable", "the right one")?.kind
                == .authentication
        )
        await server.stop()
    }

    @Test("A certificate of another authority, or for another host, is refused")
    func notVerified() async throws {
        let (files, others) = (try CertificateFiles(), try CertificateFiles())
        let server = try await server("DNS:db.example", files)
        let uri = "postgresql://app@127.0.0.1:\(server.port)/postgres?sslmode=verify-full&sslrootcert="
        #expect(failure(uri + files.authority, "the right one")?.kind == .authentication)
        #expect(failure(uri + others.authority, "the right one")?.kind == .authentication)
        #expect(failure(uri + files.directory.file("missing.pem"), "the right one")?.kind == .authentication)
        // The name of the certificate, at the address of the server.
        let named =
            "postgresql://app@db.example:\(server.port)/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert="
        let settings = try PostgreSQLSettings(uri: named + files.authority, password: Secret("the right one"))
        #expect(try PostgreSQLConnection(settings).isEncrypted)
        await server.stop()
    }

    @Test("Without TLS, a server that is asked for it is refused")
    func noTLS() async throws {
        let uri = try await TestPostgreSQL.shared().uri() + "?sslmode=require"
        #expect(failure(uri, nil)?.kind == .authentication)
    }
}
