import ExportLedger
import Exports
import Metrics
import PostgreSQL
import Synchronization

// One group: its transaction, and what follows where that fails.
extension GroupWriter {
    /// Writes a group, if that is possible, each of its writes alone where it is not.
    func write(_ group: [PendingWrite], _ connection: PostgreSQLConnection, lockTimeout: String? = nil) {
        var group = group
        for place in group.indices { group[place].attempts += 1 }
        let number = lastGroup.add(1, ordering: .relaxed).newValue
        let start = ContinuousClock.now
        var answer: (@Sendable () -> Void)?
        do {
            let transaction = GroupTransaction(connection, replica: registration(), updates: updates)
            var first = [SQLQuery(Self.mark, [.text(id), .integer(number)])]
            if let lockTimeout { first.append(SQLQuery(SQLStatement("SET LOCAL lock_timeout = '\(lockTimeout)'"))) }
            try transaction.begin(group.map(\.needs), first: first)
            let outcomes = try run(group, in: transaction)
            let isVisible = transaction.hasEvents
            let committed = committed
            let done: @Sendable ([SQLRows]) -> Void = { [group] rows in
                if isVisible { committed() }
                for (write, outcome) in zip(group, outcomes) {
                    switch outcome {
                    case .success(let (range, answer)): answer(rows.isEmpty ? [] : rows[range])
                    case .failure(let error): write.fail(error)
                    }
                }
            }
            // Where the rows are not known, the statements have changed what they had to.
            answer = { done([]) }
            let rows = try transaction.commit()
            duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
            size.record(group.count)
            done(rows)
        } catch let error as PostgreSQLError {
            failed(
                group,
                error,
                answer.map { UndeterminedGroup(number: number, writes: group, answer: $0, lostAt: .now) },
                connection
            )
        } catch {
            // A write failed after something of it was sent.
            undo(connection)
            if group.count == 1 { return group[0].fail(error) }
            for write in group { self.write([write], connection) }
        }
    }

    private typealias Work = Result<(Range<Int>, @Sendable (ArraySlice<SQLRows>) -> Void), any Error>

    /// Runs the writes. One that throws is left out. Throws where it cannot be left out.
    private func run(_ group: [PendingWrite], in transaction: GroupTransaction) throws -> [Work] {
        try group.enumerated()
            .map { place, write in
                let mark = transaction.mark
                let first = transaction.count
                do {
                    let answer = try write.work(transaction, place)
                    return .success((first..<transaction.count, answer))
                } catch {
                    // The claim on a key would stay.
                    let isClaimed = if case .won? = transaction.claim(ofWrite: place) { true } else { false }
                    guard !isClaimed, !(error is PostgreSQLError), transaction.goBack(to: mark) else { throw error }
                    return .failure(error)
                }
            }
    }

    /// A statement, or the commit, has failed, or the connection was lost.
    private func failed(
        _ group: [PendingWrite],
        _ error: PostgreSQLError,
        _ sent: UndeterminedGroup?,
        _ connection: PostgreSQLConnection
    ) {
        if let sent, error.mayHaveTakenEffect {
            queue.withLock { $0.undetermined = sent }
            return
        }
        if !connection.isOpen || error.kind == .connectionLost {
            // The server undoes what it was sent.
            return writeAgain(group)
        }
        undo(connection)
        if error.isRetryable, group[0].attempts < limits.attempts { return write(group, connection) }
        if group.count > 1, !error.isAboutTheServer {
            // A row that stays locked must not delay each of them for as long as it has delayed the group.
            let timeout = error.kind == .lockTimeout ? "500ms" : nil
            for write in group { self.write([write], connection, lockTimeout: timeout) }
            return
        }
        for write in group {
            if error.sqlState == RecordStatements.refused { write.refuse() } else { write.fail(error) }
        }
    }

    private func undo(_ connection: PostgreSQLConnection) { _ = try? connection.query(.rollback) }
}

extension PostgreSQLError {
    /// Whether every other transaction would fail in the same way.
    fileprivate var isAboutTheServer: Bool {
        switch kind {
        case .diskFull, .readOnly, .timeout, .tooManyConnections, .authentication, .closed: true
        default: false
        }
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
