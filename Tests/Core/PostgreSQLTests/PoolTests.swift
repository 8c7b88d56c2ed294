import Dispatch
import PostgreSQL
import TestPostgreSQL
import TestSupport
import Testing

/// The calls of a pool: each has its turn, or an error.
struct PoolTests {
    private func pool(
        _ settings: PostgreSQLSettings,
        connections: Int = 1,
        waiting: Int = 1000,
        patience: Duration = .seconds(5),
        idleTime: Duration = .seconds(60)
    ) -> PostgreSQLPool {
        var limits = PostgreSQLPool.Limits()
        (limits.connections, limits.waiting) = (connections, waiting)
        (limits.patience, limits.idleTime) = (patience, idleTime)
        return PostgreSQLPool(settings, limits: limits, randomness: .forTests)
    }

    private struct Refusal: Error {}

    @Test("Calls get what their bodies return or throw, from as many connections as there may be")
    func calls() async throws {
        let pool = pool(try await TestPostgreSQL.shared().settings(), connections: 3)
        let pids = try await withThrowingTaskGroup(of: Int64.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await pool.run { try $0.query(SQLQuery("SELECT pg_backend_pid()"))[0].integer(0) ?? 0 }
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect((1...3).contains(pids.count))
        await #expect(throws: Refusal.self) { try await pool.run { _ in throw Refusal() } }
        await pool.close()
        let error = await #expect(throws: PostgreSQLError.self) { try await pool.run { _ in } }
        #expect(error?.kind == .closed)
        await pool.close()
    }

    @Test("Calls run in their order, at most so many wait, and one whose task is cancelled before its turn never runs")
    func queue() async throws {
        let pool = pool(try await TestPostgreSQL.shared().settings(), waiting: 3)
        let (began, release) = (Events<Bool>(), DispatchSemaphore(value: 0))
        let order = Events<Int>()
        let ended = Events<Bool>()
        pool.enqueue { _ in
            began.add(true)
            release.wait()
        }
        await began.reach(1)
        pool.enqueue { _ in order.add(1) }
        let cancelled = Task { try await pool.run { _ in order.add(2) } }
        try await eventually { pool.load.waiting == 2 }
        pool.enqueue { _ in
            order.add(3)
            ended.add(true)
        }
        #expect(pool.load.open == 1 && pool.load.idle == 0 && pool.load.waiting == 3)
        let error = await #expect(throws: PostgreSQLError.self) { try await pool.run { _ in } }
        #expect(error?.kind == .tooManyWaiting)
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        release.signal()
        await ended.reach(1)
        #expect(order.all == [1, 3])
        await pool.close()
    }

    @Test("A cancelled task runs nothing, and closing a pool fails the calls that wait and lets the one that runs end")
    func closing() async throws {
        let pool = pool(try await TestPostgreSQL.shared().settings())
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await pool.run { _ in }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        let (began, release) = (Events<Bool>(), DispatchSemaphore(value: 0))
        async let running = pool.run { connection in
            began.add(true)
            release.wait()
            return try connection.query(SQLQuery("SELECT 7"))[0].integer(0)
        }
        await began.reach(1)
        let waiting = Task { try await pool.run { _ in } }
        try await eventually { pool.load.waiting == 1 }
        async let closed: Void = pool.close()
        let error = await #expect(throws: PostgreSQLError.self) { try await waiting.value }
        #expect(error?.kind == .closed)
        release.signal()
        #expect(try await running == 7)
        await closed
        #expect(pool.load.open == 0 && pool.load.idle == 0 && pool.load.waiting == 0)
    }

    @Test("A transaction that a call leaves open is rolled back, and a changed time limit is set back")
    func cleanUp() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        let pool = pool(try database.settings)
        try await pool.run { try $0.execute("CREATE TABLE item (id bigint)") }
        try await pool.run { connection in
            _ = try connection.pipeline([.begin, SQLQuery("INSERT INTO item VALUES (1)")])
            connection.answerTimeout = .milliseconds(1)
        }
        let (rows, limit) = try await pool.run {
            ((try $0.query(SQLQuery("SELECT * FROM item"))).count, $0.answerTimeout)
        }
        #expect(rows == 0)
        #expect(limit == (try database.settings.answerTimeout))
        await pool.close()
    }

    @Test("A connection that is not used for a while is closed, and opened again when it is needed")
    func idle() async throws {
        let pool = pool(try await TestPostgreSQL.shared().settings(), idleTime: .milliseconds(20))
        try await pool.run { _ in }
        try await eventually { pool.load.open == 0 }
        #expect(try await pool.run { try $0.query(SQLQuery("SELECT 1")).count } == 1)
        await pool.close()
    }

    @Test("A pool that nobody uses any more ends its threads and connections")
    func droppedPool() async throws {
        let database = try await TestPostgreSQL.shared().makeDatabase()
        var settings = try database.settings
        settings.applicationName = "dropped"
        try await pool(settings).run { _ in }
        let observer = try PostgreSQLConnection(database.settings)
        try await eventually {
            try observer.query(SQLQuery("SELECT 1 FROM pg_stat_activity WHERE application_name = 'dropped'")).isEmpty
        }
    }

    @Test("A failure that waiting cannot help fails a call at once")
    func permanentFailure() async throws {
        let pool = pool(try await TestPostgreSQL.shared().settings(database: "missing"), patience: .seconds(3600))
        for _ in 0..<2 {
            let error = await #expect(throws: PostgreSQLError.self) { try await pool.run { _ in } }
            #expect(error?.kind == .noSuchDatabase)
        }
        await pool.close()
    }

    @Test("What prepares a connection can fail, and is asked again")
    func preparation() async throws {
        let attempts = Events<Bool>()
        let pool = PostgreSQLPool(
            try await TestPostgreSQL.shared().settings(),
            randomness: .forTests,
            prepare: { connection throws(PostgreSQLError) in
                guard attempts.add(true) > 0 else { throw PostgreSQLError(.other, message: "not yet") }
                try connection.execute("SET application_name = 'prepared'")
            }
        )
        let name = try await pool.run { try $0.query(SQLQuery("SHOW application_name"))[0].text(0) }
        #expect(name == "prepared")
        #expect(attempts.all.count == 2)
        await pool.close()
    }
}
