import CPQ

extension PostgreSQLConnection {
    /// Runs a `COPY … FROM STDIN` with this data, and returns how many rows were stored. Outside of a transaction it is one of its own.
    ///
    /// The data is in memory as a whole until it is sent. See https://www.postgresql.org/docs/15/libpq-copy.html.
    public func copy(_ statement: String, from data: UnsafeRawBufferPointer) throws(PostgreSQLError) -> Int {
        guard let handle else { throw .lost("The connection is closed.") }
        if beginsTransaction { _ = try pipeline([SQLQuery("SELECT")]) }
        let mayTakeEffect = PQtransactionStatus(handle) == PQTRANS_IDLE
        var failure: PostgreSQLError?
        var rows = 0
        do throws(PostgreSQLError) {
            // There is no COPY in pipeline mode.
            guard PQexitPipelineMode(handle) == 1, PQsendQuery(handle, statement) == 1 else {
                throw lost("A statement could not be sent.", mayHaveTakenEffect: false)
            }
            while let result = try nextResult(mayTakeEffect: mayTakeEffect) {
                let owner = QueryResult(result)
                switch PQresultStatus(owner.pointer) {
                case PGRES_COPY_IN: try send(data, handle)
                case PGRES_COMMAND_OK: rows = Int(String(cString: PQcmdTuples(owner.pointer))) ?? 0
                case PGRES_FATAL_ERROR: failure = failure ?? PostgreSQLError(owner.pointer)
                default: throw lost("A statement is no COPY FROM STDIN.")
                }
            }
            guard PQenterPipelineMode(handle) == 1 else { throw lost("The connection cannot be used any more.") }
        } catch {
            close()
            throw failure.map { $0.kind == .connectionLost ? $0 : error } ?? error
        }
        if let failure { throw failure }
        return rows
    }

    /// Hands the data to libpq, which sends it while the result is awaited.
    private func send(_ data: UnsafeRawBufferPointer, _ handle: OpaquePointer) throws(PostgreSQLError) {
        // libpq counts with `int`.
        var rest = data[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 20))
            let start = part.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard PQputCopyData(handle, start, CInt(part.count)) == 1 else {
                throw lost("The data of a COPY could not be sent.", mayHaveTakenEffect: false)
            }
            rest = rest.dropFirst(part.count)
        }
        guard PQputCopyEnd(handle, nil) == 1 else {
            throw lost("The end of a COPY could not be sent.", mayHaveTakenEffect: false)
        }
    }
}
