import CPQ
public import Exports

/// Where a database is, how to log in, and the time limits.
public struct PostgreSQLSettings: Sendable {
    /// How long opening a connection to one host may take, with TLS and the login. The resolver has its own time limit for the name.
    public var connectTimeout: Duration = .seconds(5)
    /// `statement_timeout`: the server stops a statement that takes longer.
    public var statementTimeout: Duration = .seconds(30)
    /// `lock_timeout`: the server stops a statement that waits longer for a lock.
    public var lockTimeout: Duration = .seconds(10)
    /// `idle_in_transaction_session_timeout`: the server ends the session, and rolls back, where a transaction waits that long for its
    /// client.
    public var idleInTransactionTimeout: Duration = .seconds(5)
    /// For how long the server may be silent while an answer is awaited. Afterwards the connection is closed.
    public var answerTimeout: Duration = .seconds(32)
    /// After how long the system gives up a TCP connection whose other end acknowledges nothing, on both ends: `tcp_user_timeout`,
    /// and the time within which keepalives find out about an idle one.
    public var peerTimeout: Duration = .seconds(5)
    /// What `pg_stat_activity` shows.
    public var applicationName = "export-gateway"

    /// The options of the URI, by libpq's names.
    let options: [String: String]
    private let password: Secret?

    /// The most hosts that a URI can name.
    public static let maximumHosts = 16

    /// Reads a URI such as `postgresql://user@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`. Its options are libpq's:
    /// https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING. Hosts, separated by commas, are tried in their order.
    ///
    /// Throws `configuration` where it is no such URI, or has a password in it: that is handed in apart, so that the URI is no secret.
    public init(uri: String, password: Secret?) throws(PostgreSQLError) {
        guard uri.hasPrefix("postgresql://") || uri.hasPrefix("postgres://") else {
            throw PostgreSQLError(.configuration, message: "The address of the database is no postgresql:// URI.")
        }
        // libpq's own words can repeat what was meant to be a password.
        guard let parsed = PQconninfoParse(uri, nil) else {
            throw PostgreSQLError(.configuration, message: "The address of the database is no URI that libpq can read.")
        }
        defer { PQconninfoFree(parsed) }
        var options: [String: String] = [:]
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { options[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        guard options["password"] == nil, options["sslpassword"] == nil else {
            throw PostgreSQLError(.configuration, message: "The address of the database has a password in it.")
        }
        let hosts = max(Self.parts(options["host"]).count, Self.parts(options["hostaddr"]).count)
        guard hosts <= Self.maximumHosts else {
            let most = "at most \(Self.maximumHosts)"
            throw PostgreSQLError(.configuration, message: "The address of the database has too many hosts: \(most).")
        }
        self.options = options
        self.password = password
    }

    /// `sslmode` of the URI, or libpq's default.
    public var sslMode: String { options["sslmode"] ?? "prefer" }

    /// Whether all hosts of the URI are directories of UNIX sockets, or this machine's default one.
    public var isLocal: Bool {
        options["hostaddr"] == nil
            && Self.parts(options["host"]).allSatisfy { $0.hasPrefix("/") || $0.hasPrefix("@") || $0.isEmpty }
    }

    private static func parts(_ list: String?) -> [Substring] {
        list?.split(separator: ",", omittingEmptySubsequences: false) ?? []
    }

    /// The options of a connection to each of the hosts, with the password.
    func connectionOptions() -> [[(keyword: String, value: String)]] {
        let addresses = Self.parts(options["hostaddr"])
        let hosts = Self.parts(options["host"])
        let ports = Self.parts(options["port"])
        // Lists that do not fit are left to libpq, which says so.
        let count = max(hosts.count, addresses.count)
        guard count > 1, hosts.isEmpty || hosts.count == count, addresses.isEmpty || addresses.count == count,
            ports.count <= 1 || ports.count == count
        else { return [common.map { ($0.key, $0.value) }] }
        return (0..<count)
            .map { index in
                var options = common
                if !hosts.isEmpty { options["host"] = String(hosts[index]) }
                if !addresses.isEmpty { options["hostaddr"] = String(addresses[index]) }
                if ports.count > 1 { options["port"] = String(ports[index]) }
                return options.map { ($0.key, $0.value) }
            }
    }

    private var common: [String: String] {
        var options = [
            // Nobody else's gain: the negotiation takes a round trip.
            "gssencmode": "disable",
            "keepalives_idle": String(max(1, peerTimeout.milliseconds / 2000)),
            "keepalives_interval": "1",
            "keepalives_count": String(max(1, peerTimeout.milliseconds / 2000)),
            "tcp_user_timeout": String(peerTimeout.milliseconds),
        ]
        options.merge(self.options) { _, theirs in theirs }
        options["application_name"] = self.options["application_name"] ?? applicationName
        options["client_encoding"] = "UTF8"
        // Those of the URI come last, and win.
        options["options"] = (sessionOptions.map { "-c \($0)=\($1)" } + [self.options["options"] ?? ""])
            .joined(separator: " ")
        if let password { options["password"] = password.reveal() }
        return options
    }

    private var sessionOptions: KeyValuePairs<String, String> {
        [
            "statement_timeout": String(statementTimeout.milliseconds),
            "lock_timeout": String(lockTimeout.milliseconds),
            "idle_in_transaction_session_timeout": String(idleInTransactionTimeout.milliseconds),
            "tcp_user_timeout": String(peerTimeout.milliseconds),
            "tcp_keepalives_idle": String(max(1, peerTimeout.milliseconds / 2000)),
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": String(max(1, peerTimeout.milliseconds / 2000)),
            // The server stops a statement whose client has gone, with the locks that it holds.
            "client_connection_check_interval": "2000",
            // What the text forms of values depend on.
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            "bytea_output": "hex",
        ]
    }
}

extension PostgreSQLSettings: CustomStringConvertible, CustomReflectable {
    /// The host, port and database, for the operator.
    public var description: String {
        let host = options["host"] ?? options["hostaddr"] ?? "localhost"
        return "\(host):\(options["port"] ?? "5432")/\(options["dbname"] ?? options["user"] ?? "")"
    }

    public var customMirror: Mirror { Mirror(self, children: []) }
}
