import PostgreSQL
import TestPostgreSQL
import TestSupport
import Testing

/// Notifications of other sessions, and what a listener says of them.
struct NotificationTests {
    private typealias Notification = PostgreSQLConnection.Notification

    @Test("Notifications come in their order, with their payloads, and not of other channels")
    func notifications() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let (listening, sending) = (
            try PostgreSQLConnection(database.settings), try PostgreSQLConnection(database.settings)
        )
        try listening.listen("some_channel")
        let notify: SQLStatement = "SELECT pg_notify($1, $2)"
        _ = try sending.pipeline([notify("some_channel", "1"), notify("other", "2"), notify("some_channel", "ä")])
        var received: [Notification] = []
        while received.count < 2 { received += try listening.waitForNotifications(for: .seconds(60)) }
        #expect(received == ["1", "ä"].map { Notification(channel: "some_channel", payload: $0) })
        #expect(try listening.waitForNotifications(for: .milliseconds(1)).isEmpty)
        // One that comes with the answer of a query is not lost.
        _ = try listening.query(notify("some_channel", "own"))
        #expect(try listening.waitForNotifications(for: .zero).map(\.payload) == ["own"])
    }

    @Test("The waiting is ended from another thread, also when it has not begun yet")
    func interruption() async throws {
        let interrupter = try Interrupter()
        let connection = try PostgreSQLConnection(await TestPostgreSQL.shared().settings(), interrupter: interrupter)
        interrupter.interrupt()
        interrupter.interrupt()
        #expect(try connection.waitForNotifications(for: .seconds(3600)).isEmpty)
        async let waiting = Task.detached { interrupter.interrupt() }.value
        #expect(try connection.waitForNotifications(for: .seconds(3600)).isEmpty)
        await waiting
        // Queries are not interrupted.
        interrupter.interrupt()
        #expect(try connection.query(SQLQuery("SELECT 1")).count == 1)
    }

    @Test("A listener says when it listens and when it does not, and listens again after a restart of the server")
    func listener() async throws {
        let server = try await TestPostgreSQL()
        let events = Events<PostgreSQLListener.Event>()
        let listener = try PostgreSQLListener(server.settings(), channels: ["one", "two"], randomness: .forTests) {
            events.add($0)
        }
        await events.reach(1)
        let notify: SQLStatement = "SELECT pg_notify($1, $2)"
        try PostgreSQLConnection(server.settings()).query(notify("two", "a"))
        await events.reach(2)
        try await server.kill()
        await events.reach(3)
        try await server.start()
        await events.reach(4)
        try PostgreSQLConnection(server.settings()).query(notify("one", "b"))
        await events.reach(5)
        await listener.close()
        let all = events.all
        #expect(all[0] == .listening && all[3] == .listening)
        #expect(all[1] == .notified(.init(channel: "two", payload: "a")))
        #expect(all[4] == .notified(.init(channel: "one", payload: "b")))
        #expect(Self.isLoss(all[2]))
        await server.stop()
        #expect(events.all.count == 5)
    }

    @Test("A listener notices a server that does not answer any more, and one that was never there")
    func silentServer() async throws {
        let server = try await TestPostgreSQL()
        let events = Events<PostgreSQLListener.Event>()
        var settings = try server.settings()
        settings.connectTimeout = .milliseconds(200)
        let listener = try PostgreSQLListener(
            settings,
            channels: ["one"],
            checkInterval: .milliseconds(100),
            randomness: .forTests
        ) { events.add($0) }
        await events.reach(1)
        server.suspend()
        await events.reach(2)
        #expect(Self.isLoss(events.all[1]))
        server.resume()
        await events.wait { $0.last == .listening }
        await server.stop()
        await events.wait { $0.last.map(Self.isLoss) == true }
        await listener.close()
        let afterwards = Events<PostgreSQLListener.Event>()
        let late = try PostgreSQLListener(server.settings(), channels: ["one"], randomness: .forTests) {
            afterwards.add($0)
        }
        await afterwards.reach(1)
        #expect(afterwards.all.map(Self.isLoss) == [true])
        await late.close()
    }

    private static func isLoss(_ event: PostgreSQLListener.Event) -> Bool {
        if case .lost = event { true } else { false }
    }
}
