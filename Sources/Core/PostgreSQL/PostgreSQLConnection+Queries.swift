import CPQ
import Exports

extension PostgreSQLConnection {
    /// Runs a query in one round trip. Outside of a transaction it is one of its own.
    @discardableResult
    public func query(_ query: SQLQuery) throws(PostgreSQLError) -> SQLRows { try pipeline([query])[0] }

    /// Runs queries in their order, all sent at once: one round trip. Returns what each returned. Queries and results are in memory as
    /// a whole.
    ///
    /// The first that fails ends it: those after it are not run, and its error is thrown with its position. Outside of a
    /// transaction, and without `BEGIN` among them, the queries are one transaction. A transaction that was begun and failed stays
    /// open: `ROLLBACK` ends it, which a ``PostgreSQLPool`` sends after each use.
    /// See https://www.postgresql.org/docs/15/libpq-pipeline-mode.html.
    @discardableResult
    public func pipeline(_ queries: [SQLQuery]) throws(PostgreSQLError) -> [SQLRows] {
        guard let handle else { throw .lost("The connection is closed.") }
        guard !queries.isEmpty else { return [] }
        guard beginsTransaction else {
            var pipeline = Pipeline(queries, on: self, handle)
            return try pipeline.run()
        }
        beginsTransaction = false
        var pipeline = Pipeline([.begin] + queries, on: self, handle)
        do throws(PostgreSQLError) {
            return Array(try pipeline.run().dropFirst())
        } catch {
            var error = error
            error.failedQuery = error.failedQuery.map { max(0, $0 - 1) }
            throw error
        }
    }

    /// Runs `body` in a transaction, which is committed afterwards. `BEGIN` is sent together with the first queries of `body`.
    ///
    /// Where `body` or one of its queries throws, the transaction is rolled back, and the error is thrown. An error of the commit is
    /// thrown, too: `mayHaveTakenEffect` says whether the transaction can have taken effect. Transactions are not nested.
    public func transaction<T>(_ body: (PostgreSQLConnection) throws -> T) throws -> T {
        guard isOpen else { throw PostgreSQLError.lost("The connection is closed.") }
        precondition(!isInTransaction, "a transaction in a transaction")
        beginsTransaction = true
        let value: T
        do {
            value = try body(self)
        } catch {
            rollBack()
            throw error
        }
        // Nothing was sent.
        if beginsTransaction {
            beginsTransaction = false
            return value
        }
        do throws(PostgreSQLError) {
            _ = try query(.commit)
        } catch {
            rollBack()
            throw error
        }
        return value
    }

    private func rollBack() {
        beginsTransaction = false
        if isInTransaction { _ = try? query(.rollback) }
    }

    /// Runs a script of several statements without parameters, such as a migration. They are one transaction unless the script has others.
    ///
    /// Statements that return rows are allowed, and their rows are dropped. `COPY` is not: it closes the connection.
    public func execute(_ script: String) throws(PostgreSQLError) {
        guard let handle else { throw .lost("The connection is closed.") }
        if beginsTransaction { _ = try pipeline([SQLQuery("SELECT")]) }
        var failure: PostgreSQLError?
        do throws(PostgreSQLError) {
            // There is no simple query in pipeline mode: https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
            guard PQexitPipelineMode(handle) == 1, PQsendQuery(handle, script) == 1 else {
                throw lost("A script could not be sent.", mayHaveTakenEffect: false)
            }
            while let result = try nextResult(mayTakeEffect: true) {
                let owner = QueryResult(result)
                switch PQresultStatus(owner.pointer) {
                case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: break
                case PGRES_FATAL_ERROR: failure = failure ?? PostgreSQLError(owner.pointer)
                default: throw lost("A script has a statement that cannot be run here.")
                }
            }
            guard PQenterPipelineMode(handle) == 1 else { throw lost("The connection cannot be used any more.") }
        } catch {
            close()
            throw failure.map { $0.kind == .connectionLost ? $0 : error } ?? error
        }
        if let failure { throw failure }
    }

    /// The next result, nil at the end of a command's results. The caller owns it.
    func nextResult(mayTakeEffect: Bool) throws(PostgreSQLError) -> OpaquePointer? {
        guard let handle else { throw .lost("The connection is closed.") }
        while true {
            let unsent = PQflush(handle)
            guard unsent >= 0 else {
                throw lost("The server cannot be reached any more.", mayHaveTakenEffect: mayTakeEffect)
            }
            guard PQisBusy(handle) == 1 else { return PQgetResult(handle) }
            if CPQ_has_decrypted(handle) == 0 {
                // What is sent and what is received are awaited together: else both ends could wait for each other.
                let interest: Descriptors.Interest = unsent == 1 ? .both : .reading
                // Each sign of life begins the wait again: the server has its own limit for a statement.
                let deadline = ContinuousClock.now + answerTimeout
                guard Descriptors.wait(for: PQsocket(handle), interest, until: deadline) == .ready else {
                    throw PostgreSQLError(
                        .timeout,
                        message: "The server did not answer for \(answerTimeout.milliseconds) ms.",
                        mayHaveTakenEffect: mayTakeEffect
                    )
                }
            }
            guard PQconsumeInput(handle) == 1, PQstatus(handle) == CONNECTION_OK else {
                throw lost("The server closed the connection.", mayHaveTakenEffect: mayTakeEffect)
            }
        }
    }

    /// The error of an exchange that failed, with libpq's reason: it names hosts, not values.
    func lost(_ what: String, mayHaveTakenEffect: Bool = true) -> PostgreSQLError {
        .lost(what, mayHaveTakenEffect: mayHaveTakenEffect)
    }
}
