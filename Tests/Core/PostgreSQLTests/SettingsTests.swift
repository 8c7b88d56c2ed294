import Exports
import PostgreSQL
import TestPostgreSQL
import Testing

/// What a URI says, and what it must not.
struct SettingsTests {
    @Test(
        "What is no URI of a database, or has a password in it, is refused without being repeated",
        arguments: [
            "", "host=hidden", "mysql://hidden", "postgresql://u:hidden@h/d", "postgresql://u@h/d?password=hidden",
            "postgresql://u@h/d?hidden=1", "postgresql://u@[hidden/d", "postgresql://u@h:5432/d?sslpassword=hidden",
            "postgresql://u@\((0..<17).map { "hidden\($0)" }.joined(separator: ","))/d",
        ]
    )
    func refused(uri: String) {
        let error = #expect(throws: PostgreSQLError.self) { try PostgreSQLSettings(uri: uri, password: nil) }
        #expect(error?.kind == .configuration)
        #expect(error.map { !"\($0)".contains("hidden") } == true)
    }

    @Test("The settings are printed without what is secret")
    func description() throws {
        let settings = try PostgreSQLSettings(
            uri: "postgresql://me@db.example:5433/exports?sslmode=verify-full",
            password: Secret("hidden")
        )
        #expect("\(settings)" == "db.example:5433/exports")
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!dumped.contains("hidden") && !String(reflecting: settings).contains("hidden"))
        #expect(settings.sslMode == "verify-full")
        #expect(!settings.isLocal)
        #expect(try PostgreSQLSettings(uri: "postgresql://me@%2Frun%2Fpostgresql/exports", password: nil).isLocal)
    }

    @Test("The session has the time limits of the settings, and the application's name")
    func session() async throws {
        var settings = try await TestPostgreSQL.shared().settings()
        (settings.statementTimeout, settings.lockTimeout) = (.seconds(7), .milliseconds(1500))
        (settings.idleInTransactionTimeout, settings.applicationName) = (.seconds(3), "some name")
        let connection = try PostgreSQLConnection(settings)
        let names = [
            "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name",
            "tcp_user_timeout",
        ]
        let shown = try names.map {
            try connection.query(SQLQuery("SELECT current_setting($1)", [.text($0)]))[0].text(0)
        }
        #expect(shown == ["7s", "1500ms", "3s", "some name", "5000"])
        #expect(connection.serverVersion >= 150_000)
        #expect(!connection.isEncrypted)
    }

    @Test("The UNIX socket is used, and a host that nobody listens on is passed over for the next")
    func hosts() async throws {
        let server = try await TestPostgreSQL.shared()
        _ = try PostgreSQLConnection(PostgreSQLSettings(uri: server.socketURI(), password: nil))
        let two = "postgresql://gateway@127.0.0.1:1,127.0.0.1:\(server.port)/postgres?target_session_attrs=read-write"
        let connection = try PostgreSQLConnection(PostgreSQLSettings(uri: two, password: nil))
        #expect(try connection.query(SQLQuery("SELECT inet_server_port()"))[0].integer(0) == Int64(server.port))
        let none = "postgresql://gateway@127.0.0.1:1,127.0.0.1:2/postgres"
        let error = #expect(throws: PostgreSQLError.self) {
            try PostgreSQLConnection(PostgreSQLSettings(uri: none, password: nil))
        }
        #expect(error?.kind == .connectionLost)
        #expect(error?.mayHaveTakenEffect == false)
    }

    @Test(
        "A database that does not exist, and a role that does not, are told apart from a server that cannot be reached"
    )
    func permanentFailures() async throws {
        let server = try await TestPostgreSQL.shared()
        let missing = #expect(throws: PostgreSQLError.self) {
            try PostgreSQLConnection(server.settings(database: "missing"))
        }
        #expect(missing?.kind == .noSuchDatabase)
        let uri = "postgresql://nobody-known@127.0.0.1:\(server.port)/postgres"
        let unknown = #expect(throws: PostgreSQLError.self) {
            try PostgreSQLConnection(PostgreSQLSettings(uri: uri, password: nil))
        }
        #expect(unknown?.kind == .authentication)
        #expect(missing?.isPermanent == true && unknown?.isPermanent == true)
    }
}
