public import PostgreSQL
import Synchronization
import TestSupport
import Foundation

/// A database of its own for a test. It is dropped with the object, together with the connections that are still open to it.
public final class TestDatabase: Sendable {
    public let name: String
    public let server: TestPostgreSQL

    init(name: String, server: TestPostgreSQL) { (self.name, self.server) = (name, server) }

    deinit {
        // On a thread of its own, because an object can end anywhere. A server that was stopped has no need of it.
        Thread { [name, server] in
            let connection = try? PostgreSQLConnection(server.settings())
            try? connection?.execute("DROP DATABASE \"\(name)\" WITH (FORCE)")
        }
        .start()
    }

    /// Settings for it, over TCP.
    public var settings: PostgreSQLSettings { get throws { try server.settings(database: name) } }
    /// Its URI, over TCP.
    public var uri: String { server.uri(database: name) }
}

extension TestPostgreSQL {
    /// The server that the tests of this process share. It does not wait for the disk. Tests that stop a server start their own.
    public static func shared() async throws -> TestPostgreSQL { try await SharedServer.one.server() }

    /// Makes an empty database, or a copy of one that `prepare` has filled: once for each `template`, a plain identifier.
    public func makeDatabase(
        template: String? = nil,
        prepare: @escaping @Sendable (PostgreSQLConnection) throws -> Void = { _ in }
    ) async throws -> TestDatabase {
        let name = "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
        let server = self
        try await Self.onThread {
            try server.makingTemplate.withLock { made in
                guard let template, !made.contains(template) else { return }
                try PostgreSQLConnection(server.settings()).execute("CREATE DATABASE \"\(template)\"")
                try prepare(PostgreSQLConnection(server.settings(database: template)))
                made.insert(template)
            }
            let connection = try PostgreSQLConnection(server.settings())
            try connection.execute("CREATE DATABASE \"\(name)\" TEMPLATE \"\(template ?? "template0")\"")
        }
        return TestDatabase(name: name, server: self)
    }
}

/// One server for a process.
private actor SharedServer {
    static let one = SharedServer()
    private var starting: Task<TestPostgreSQL, any Error>?

    func server() async throws -> TestPostgreSQL {
        let starting = self.starting ?? Task { try await TestPostgreSQL() }
        self.starting = starting
        return try await starting.value
    }
}

/// A data directory that `initdb` has made once in this process: servers get copies, which takes less time.
actor TemplateDirectory {
    static let shared = TemplateDirectory()
    private var making: Task<TemporaryDirectory, any Error>?

    func path(_ user: ServerUser) async throws -> String {
        let making =
            self.making
            ?? Task {
                let directory = try TemporaryDirectory()
                guard chmod(directory.path, 0o755) == 0 else {
                    throw TestServerError("\(directory.path) cannot be opened.")
                }
                try user.makeDirectory(directory.file("data"))
                let words = [
                    ServerPrograms.path(of: "initdb"), "-D", directory.file("data"), "-U", TestPostgreSQL.user,
                    "--no-sync", "--wal-segsize=1", "-E",
                    "UTF8", "--locale=C.UTF-8", "--auth=trust",
                ]
                let log = directory.file("initdb.log")
                let process = try await ServerProcess.start(words, as: user, log: log)
                guard await process.ended() == 0 else {
                    throw TestServerError(
                        "initdb: \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "no output")"
                    )
                }
                RunningServers.all.keep(directory)
                return directory
            }
        self.making = making
        return try await making.value.file("data")
    }
}

/// The servers of this process, which are stopped at its end.
final class RunningServers: Sendable {
    private struct Item {
        weak var server: TestPostgreSQL?
    }

    static let all = RunningServers()
    private let items = Mutex<[Item]>([])
    private let directories = Mutex<[TemporaryDirectory]>([])

    private init() {
        atexit {
            for item in RunningServers.all.items.withLock({ $0 }) {
                item.server?.stopAtExit()
                if let directory = item.server?.directory {
                    try? FileManager.default.removeItem(atPath: directory.path)
                }
            }
            for directory in RunningServers.all.directories.withLock({ $0 }) {
                try? FileManager.default.removeItem(atPath: directory.path)
            }
        }
    }

    func add(_ server: TestPostgreSQL) {
        items.withLock { items in
            items.removeAll { $0.server == nil }
            items.append(Item(server: server))
        }
    }

    func keep(_ directory: TemporaryDirectory) { directories.withLock { $0.append(directory) } }
}
