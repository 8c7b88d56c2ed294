public import Exports
import Foundation
public import PostgreSQL
import Synchronization
import TestSupport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A real server for tests, in a directory of its own, on a port of the loopback interface and on a UNIX socket.
///
/// It is stopped, and its directory removed, with the object, and at the end of the process. Where the process is killed, the server is
/// killed with it.
public final class TestPostgreSQL: Sendable {
    /// How a server is set up.
    public struct Options: Sendable {
        /// Whether commits wait for the disk.
        public var fsync = false
        /// Further settings of `postgresql.conf`.
        public var settings: [String: String] = [:]
        /// The lines of `pg_hba.conf`. By default everybody on this machine is trusted.
        public var access = ["local all all trust", "host all all 127.0.0.1/32 trust"]
        /// Files to put into the data directory, such as certificates, by their names.
        public var files: [String: String] = [:]

        /// The defaults.
        public init() {}
    }

    struct State {
        var process: ServerProcess?
    }

    /// The superuser.
    public static let user = "gateway"

    public let port: Int
    /// The directory of the UNIX socket.
    public let socketDirectory: String
    let serverUser = ServerUser()
    let directory: TemporaryDirectory
    let state = Mutex(State())
    /// The template databases that there are. It is held while one is made.
    let makingTemplate = Mutex<Set<String>>([])

    /// Starts a server.
    public init(_ options: Options = Options()) async throws {
        directory = try TemporaryDirectory()
        port = try FreePort.find()
        socketDirectory = directory.file("socket")
        guard chmod(directory.path, 0o755) == 0 else {
            throw TestServerError("\(directory.path) cannot be opened to others.")
        }
        try serverUser.makeDirectory(socketDirectory, mode: 0o755)
        try serverUser.makeDirectory(dataDirectory)
        let template = try await TemplateDirectory.shared.path(serverUser)
        let copying = try await ServerProcess.start(
            ["cp", "-a", template + "/.", dataDirectory],
            as: serverUser,
            log: log
        )
        guard await copying.ended() == 0 else {
            throw TestServerError("The data directory cannot be copied: \(logText)")
        }
        try configure(options)
        RunningServers.all.add(self)
        try await start()
    }

    deinit {
        // The directory is removed after the server's end.
        Thread { [process, directory] in
            process?.signal(SIGQUIT)
            process?.waitUntilEnded(within: .seconds(5))
            process?.signal(SIGKILL)
            _ = directory
        }
        .start()
    }

    var dataDirectory: String { directory.file("data") }
    var log: String { directory.file("server.log") }
    var process: ServerProcess? { state.withLock { $0.process } }

    /// What the server has logged.
    public var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    private func configure(_ options: Options) throws {
        let settings = [
            "port": "\(port)", "listen_addresses": "'127.0.0.1'", "unix_socket_directories": "'\(socketDirectory)'",
            "fsync": options.fsync ? "on" : "off", "full_page_writes": options.fsync ? "on" : "off",
            "max_connections": "100", "shared_buffers": "'32MB'", "dynamic_shared_memory_type": "mmap",
            "autovacuum_naptime": "'1h'", "log_line_prefix": "'%m %p '",
        ]
        .merging(options.settings) { _, theirs in theirs }
        let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
        try serverUser.write(lines.joined(separator: "\n") + "\n", to: dataDirectory + "/postgresql.conf")
        try serverUser.write(options.access.joined(separator: "\n") + "\n", to: dataDirectory + "/pg_hba.conf")
        for (name, text) in options.files { try serverUser.write(text, to: dataDirectory + "/" + name) }
    }

    /// The URI of a database over TCP, for the superuser.
    public func uri(database: String = "postgres") -> String {
        "postgresql://\(Self.user)@127.0.0.1:\(port)/\(database)"
    }

    /// The URI of a database over the UNIX socket, for the superuser.
    public func socketURI(database: String = "postgres") -> String {
        let host = socketDirectory.replacing("/", with: "%2F")
        return "postgresql://\(Self.user)@\(host):\(port)/\(database)"
    }

    /// Settings for a database, over TCP.
    public func settings(database: String = "postgres") throws -> PostgreSQLSettings {
        try PostgreSQLSettings(uri: uri(database: database), password: nil)
    }
}

extension Randomness {
    /// The system's, for connections in tests.
    public static let forTests = Randomness { .random(in: .min ... .max) }
}
