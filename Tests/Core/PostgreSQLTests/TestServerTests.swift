import Foundation
import PostgreSQL
import TestPostgreSQL
import TestSupport
import Testing

/// The servers of tests leave nothing behind.
struct TestServerTests {
    @Test("A server is killed with the process that started it")
    func killedWithTheProcess() async throws {
        // A process that is killed leaves its files. The path is short, because a socket's path is limited.
        let directory = try #require(mkdtemp(strdup("/tmp/killed-XXXXXX")).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: directory) }
        chmod(directory, 0o755)
        let result = try await #require(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            [directory = directory as String] in
            setenv("TMPDIR", directory, 1)
            let server = try await TestPostgreSQL()
            print("port=\(server.port)=")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let parts = String(decoding: result.standardOutputContent, as: UTF8.self).split(separator: "=")
        let port = try #require(parts.firstIndex(of: "port").map { parts[$0 + 1] })
        var settings = try PostgreSQLSettings(uri: "postgresql://gateway@127.0.0.1:\(port)/postgres", password: nil)
        settings.connectTimeout = .seconds(1)
        try await eventually { (try? PostgreSQLConnection(settings)) == nil }
    }

    /// In a process of its own: what other tests start meanwhile would inherit the descriptor too.
    @Test("A server inherits none of the descriptors of the process that starts it")
    func inheritsNothing() async {
        await #expect(processExitsWith: .success) {
            let ends = Pipe()
            // Foundation's pipes are closed in other programs; this one is not, as the sockets of some libraries are not.
            #expect(fcntl(ends.fileHandleForWriting.fileDescriptor, F_SETFD, 0) == 0)
            let server = try await TestPostgreSQL()
            try ends.fileHandleForWriting.close()
            // As long as another process holds the other end, there is no end of the file.
            #expect(fcntl(ends.fileHandleForReading.fileDescriptor, F_SETFL, O_NONBLOCK) == 0)
            var byte: UInt8 = 0
            #expect(read(ends.fileHandleForReading.fileDescriptor, &byte, 1) == 0)
            withExtendedLifetime(server) {}
        }
    }

    @Test("Databases are made of a template that is filled once, and are dropped with their objects")
    func databases() async throws {
        let server = try await TestPostgreSQL.shared()
        let fills = Events<Bool>()
        let names = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let database = try await server.makeDatabase(template: "filled") { connection in
                        fills.add(true)
                        try connection.execute("CREATE TABLE item (id bigint); INSERT INTO item VALUES (1)")
                    }
                    let connection = try PostgreSQLConnection(database.settings)
                    #expect(try connection.query(SQLQuery("DELETE FROM item")).affected == 1)
                    return database.name
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(names.count == 4)
        #expect(fills.all.count == 1)
        let connection = try PostgreSQLConnection(server.settings())
        try await eventually {
            try connection.query(
                SQLQuery("SELECT 1 FROM pg_database WHERE datname = ANY($1)", [.textArray(Array(names))])
            )
            .isEmpty
        }
    }
}
