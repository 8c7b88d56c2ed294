import CPQ

/// One exchange with the server in pipeline mode: https://www.postgresql.org/docs/15/libpq-pipeline-mode.html.
struct Pipeline {
    /// What each result that the server sends belongs to.
    private enum Command {
        case preparation(of: SQLStatement, query: Int)
        case deallocation(name: String)
        case query(Int)

        var query: Int? {
            switch self {
            case .preparation(_, let query), .query(let query): query
            case .deallocation: nil
            }
        }
    }

    private let connection: PostgreSQLConnection
    private let handle: OpaquePointer
    private let queries: [SQLQuery]
    private var commands: [Command] = []
    private var rows: [SQLRows?]
    private var failure: PostgreSQLError?
    /// Whether any of the queries can have taken effect when no answer comes: not so in a transaction that none of them commits.
    private let mayTakeEffect: Bool

    init(_ queries: [SQLQuery], on connection: PostgreSQLConnection, _ handle: OpaquePointer) {
        (self.connection, self.handle, self.queries) = (connection, handle, queries)
        rows = Array(repeating: nil, count: queries.count)
        let isInTransaction = PQtransactionStatus(handle) == PQTRANS_INTRANS || queries.first?.statement.isBegin == true
        mayTakeEffect = !isInTransaction || queries.contains(where: \.statement.isCommit)
    }

    /// Sends the queries, and returns what each returned. After an error of the exchange itself, the connection is closed.
    mutating func run() throws(PostgreSQLError) -> [SQLRows] {
        defer { connection.statements.dropUnconfirmed() }
        let parameters = try queries.map { (query) throws(PostgreSQLError) in try Parameters(query.values) }
        do throws(PostgreSQLError) {
            try send(parameters)
            try receive()
        } catch {
            connection.close()
            throw failure.map { known in
                // The server said why, before it closed the connection.
                var error = error
                if known.kind == .connectionLost { (error.message, error.sqlState) = (known.message, known.sqlState) }
                return error
            } ?? error
        }
        if let failure { throw failure }
        return rows.compactMap { $0 }
    }

    private mutating func send(_ parameters: [Parameters]) throws(PostgreSQLError) {
        // In a transaction that has failed, the server does nothing but roll back.
        if PQtransactionStatus(handle) != PQTRANS_INERROR {
            for name in connection.statements.evicted {
                try check(PQsendQueryParams(handle, "DEALLOCATE \(name)", 0, nil, nil, nil, nil, 0))
                commands.append(.deallocation(name: name))
            }
        }
        for (index, (query, parameters)) in zip(queries, parameters).enumerated() {
            let name: String
            switch connection.statements.use(query.statement.text) {
            case .prepared(let known): name = known
            case .new(let new):
                name = new
                try check(PQsendPrepare(handle, name, query.statement.text, 0, nil))
                commands.append(.preparation(of: query.statement, query: index))
            }
            let isSent = parameters.withPointers { PQsendQueryPrepared(handle, name, $0, $1, $2, $3, 0) }
            try check(isSent)
            commands.append(.query(index))
        }
        try check(PQpipelineSync(handle))
    }

    /// libpq refuses what it has no memory for, and more than 65,535 parameters.
    private func check(_ isSent: CInt) throws(PostgreSQLError) {
        // libpq sends what it has gathered before the end of the pipeline, and the server carries it out.
        guard isSent == 1 else {
            throw connection.lost("A query could not be sent.", mayHaveTakenEffect: mayTakeEffect)
        }
    }

    private mutating func receive() throws(PostgreSQLError) {
        var next = 0
        while true {
            guard let result = try connection.nextResult(mayTakeEffect: mayTakeEffect) else {
                // The end of a command's results.
                next += 1
                guard next <= commands.count else { throw connection.lost("The server sent too many results.") }
                continue
            }
            let owner = QueryResult(result)
            let status = PQresultStatus(result)
            if status == PGRES_PIPELINE_SYNC { return }
            guard next < commands.count else { throw connection.lost("The server sent too many results.") }
            switch status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: succeeded(commands[next], owner)
            case PGRES_EMPTY_QUERY: fail(commands[next], PostgreSQLError(.other, message: "A statement is empty."))
            case PGRES_FATAL_ERROR: fail(commands[next], PostgreSQLError(result))
            case PGRES_PIPELINE_ABORTED: break
            // `COPY` would need the connection for itself.
            default: throw connection.lost("A statement is none that can be sent in a pipeline.")
            }
        }
    }

    private mutating func succeeded(_ command: Command, _ result: QueryResult) {
        switch command {
        case .preparation(let statement, _): connection.statements.isPrepared(statement.text)
        case .deallocation(let name): connection.statements.isDeallocated(name)
        case .query(let index):
            rows[index] = SQLRows(result)
            // https://www.postgresql.org/docs/15/sql-commit.html does not say it: the commit of a failed transaction is no error.
            if queries[index].statement.isCommit, String(cString: PQcmdStatus(result.pointer)) == "ROLLBACK" {
                let message = "The transaction had failed before, and was rolled back."
                fail(command, PostgreSQLError(.other, sqlState: "25P02", message: message))
            }
        }
    }

    private mutating func fail(_ command: Command, _ error: PostgreSQLError) {
        guard failure == nil else { return }
        failure = error
        failure?.failedQuery = command.query
        guard error.kind == .statementChanged else { return }
        if let query = command.query, error.sqlState != "26000" {
            connection.statements.remove(queries[query].statement.text)
        } else {
            connection.statements.removeAll()
        }
    }
}

extension SQLStatement {
    var isCommit: Bool { begins(with: "COMMIT") || begins(with: "END") }
    var isBegin: Bool { begins(with: "BEGIN") || begins(with: "START TRANSACTION") }

    private func begins(with word: String) -> Bool {
        text.utf8.count >= word.utf8.count && zip(text.utf8, word.utf8).allSatisfy { $0 & 0xDF == $1 & 0xDF }
    }
}
