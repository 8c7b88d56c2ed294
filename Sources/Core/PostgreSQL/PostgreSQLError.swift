/// Why a connection could not be opened, or a query failed.
///
/// Neither values of a query nor a password are in it: of the server's message, only the primary line is kept, and not even that
/// where the code is one whose line can repeat a value.
public struct PostgreSQLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What a caller has to tell apart. New cases are only added together with what handles them.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The server cannot be reached, closed the connection, or is starting or stopping.
        case connectionLost
        /// No answer came within the connection's time limit; the connection is closed.
        case timeout
        /// The server stopped the statement: `statement_timeout`, or an administrator.
        case cancelledByServer
        /// A lock was not free within `lock_timeout`.
        case lockTimeout
        /// `40001`: the transaction has to be repeated.
        case serialization
        /// `40P01`: the transaction has to be repeated.
        case deadlock
        /// `53100`.
        case diskFull
        /// `25006`: a standby, or a database that was set so.
        case readOnly
        /// `23505`.
        case uniqueViolation
        /// Other constraints: class `23`.
        case constraintViolation
        /// `53300`: the server, or the role, has no connection left.
        case tooManyConnections
        /// The password, the role, `pg_hba.conf` or the server's certificate.
        case authentication
        /// A prepared statement cannot be used any more, because a table was altered or the session was reset. It was dropped: the
        /// transaction has to be repeated.
        case statementChanged
        /// `3D000`: there is no such database.
        case noSuchDatabase
        /// The settings cannot be used.
        case configuration
        /// The pool's queue is full: nothing was sent.
        case tooManyWaiting
        /// The pool was closed: nothing was sent.
        case closed
        /// Anything else: a mistake in a statement, or a limit of the server.
        case other
    }

    public var kind: Kind
    /// The server's code: https://www.postgresql.org/docs/15/errcodes-appendix.html. Nil where it did not answer.
    public var sqlState: String?
    /// For the operator: what went wrong, without values.
    public var message: String
    /// The name of the constraint that was violated.
    public var constraint: String?
    /// Whether the statements can have taken effect although there is this error: the connection was lost after they were sent.
    public var mayHaveTakenEffect: Bool
    /// The position, in the pipeline, of the query that failed.
    public var failedQuery: Int?

    /// Makes an error.
    public init(
        _ kind: Kind,
        sqlState: String? = nil,
        message: String,
        constraint: String? = nil,
        mayHaveTakenEffect: Bool = false,
        failedQuery: Int? = nil
    ) {
        (self.kind, self.sqlState, self.message, self.constraint) = (kind, sqlState, message, constraint)
        (self.mayHaveTakenEffect, self.failedQuery) = (mayHaveTakenEffect, failedQuery)
    }

    /// Whether the same transaction, of which nothing took effect, can succeed when it is repeated at once: `serialization`,
    /// `deadlock` and `statementChanged`.
    public var isRetryable: Bool { kind == .serialization || kind == .deadlock || kind == .statementChanged }

    /// Whether waiting cannot help, but only what an operator does: `authentication`, `configuration` and `noSuchDatabase`.
    public var isPermanent: Bool { kind == .authentication || kind == .configuration || kind == .noSuchDatabase }

    public var description: String { sqlState.map { "\(message) (SQLSTATE \($0))" } ?? message }
}
