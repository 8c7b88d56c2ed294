import CPQ
import TestPostgreSQL
import Testing

@testable import PostgreSQL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What a text of libpq means, and what the system is told of a connection.
struct OpeningErrorTests {
    @Test(
        "The reason is told by the server's code, or by libpq's words behind the names of hosts and files",
        arguments: [
            (
                """
                connection to server at "localhost" (::1), port 1 failed: Connection refused
                \tIs the server running on that host and accepting TCP/IP connections?
                connection to server at "localhost" (127.0.0.1), port 1 failed: FATAL:  28P01: password authentication failed for user "a"
                LOCATION:  auth_failed, auth.c:338
                """, .authentication, "28P01"
            ),
            (
                "connection to server at \"SSL.example\" (192.0.2.1), port 1 failed: Connection refused",
                .connectionLost, nil
            ),
            (
                "could not translate host name \"password.example\" to address: Name or service not known",
                .connectionLost, nil
            ),
            (
                "connection to server at \"a\", port 1 failed: FATAL:  57P03: the database system is starting up",
                .connectionLost, "57P03"
            ),
            (
                "connection to server at \"a\", port 1 failed: FATAL:  53300: sorry, too many clients already",
                .tooManyConnections, "53300"
            ),
            (
                "connection to server at \"a\", port 1 failed: SSL error: certificate verify failed", .authentication,
                nil
            ),
            ("connection to server at \"a\", port 1 failed: SSL SYSCALL error: EOF detected", .connectionLost, nil),
            ("connection to server at \"a\", port 1 failed: fe_sendauth: no password supplied", .authentication, nil),
            ("root certificate file \"/etc/ca.pem\" does not exist", .authentication, nil),
            ("invalid sslmode value: \"maybe\"", .configuration, nil),
            ("connection to server at \"a\", port 1 failed: session is read-only", .connectionLost, nil),
            ("", .connectionLost, nil),
        ] as [(String, PostgreSQLError.Kind, String?)]
    )
    func reasons(text: String, kind: PostgreSQLError.Kind, sqlState: String?) {
        let error = PostgreSQLError(opening: text)
        #expect(error.kind == kind)
        #expect(error.sqlState == sqlState)
        #expect(!error.message.contains("\n"))
    }

    @Test("The system gives up a connection whose other end is silent")
    func socketOptions() async throws {
        var settings = try await TestPostgreSQL.shared().settings()
        settings.peerTimeout = .seconds(8)
        let connection = try PostgreSQLConnection(settings)
        let socket = PQsocket(connection.handle)
        func option(_ level: CInt, _ name: CInt) -> CInt {
            var value: CInt = 0
            var length = socklen_t(MemoryLayout<CInt>.size)
            return getsockopt(socket, level, name, &value, &length) == 0 ? value : -1
        }
        #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(CInt(IPPROTO_TCP), TCP_USER_TIMEOUT) == 8000)
        let times = [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT].map { option(CInt(IPPROTO_TCP), $0) }
        #expect(times == [4, 1, 4])
    }
}
