import CPQ

/// A connection to a server. Calls block: use it on a thread that may, one thread at a time. See ``PostgreSQLPool``.
///
/// Every call ends: at the latest when the server was silent for ``answerTimeout``. After `connectionLost` and `timeout` the
/// connection is closed, and every further call throws `connectionLost`.
public final class PostgreSQLConnection {
    /// What another session, or this one, has sent with `NOTIFY`.
    public struct Notification: Sendable, Hashable {
        public var channel: String
        public var payload: String

        /// Makes a notification.
        public init(channel: String, payload: String) {
            (self.channel, self.payload) = (channel, payload)
        }
    }

    /// Nil once it is closed.
    var handle: OpaquePointer?
    let settings: PostgreSQLSettings
    let interrupter: Interrupter?
    var statements = StatementCache(limit: SQLStatement.limit)
    /// Whether `BEGIN` is sent before the next query.
    var beginsTransaction = false
    /// For how long the server may be silent while an answer is awaited. A ``PostgreSQLPool`` sets it back after each use.
    public var answerTimeout: Duration

    /// Opens a connection: to the first host that can be reached and is what `target_session_attrs` asks for. Throws the error of the
    /// last one.
    ///
    /// - Parameter interrupter: Ends the waiting for notifications, and the opening, which then throws `closed`.
    public init(_ settings: PostgreSQLSettings, interrupter: Interrupter? = nil) throws(PostgreSQLError) {
        self.settings = settings
        self.interrupter = interrupter
        answerTimeout = settings.answerTimeout
        var failure: PostgreSQLError?
        for options in settings.connectionOptions() {
            do throws(PostgreSQLError) {
                let deadline = ContinuousClock.now + settings.connectTimeout
                handle = try Opening.open(options, until: deadline, interrupter: interrupter)
                return
            } catch {
                failure = error
                if error.kind == .closed { break }
            }
        }
        throw failure ?? .lost("There is no host to connect to.")
    }

    deinit { close() }

    /// Closes the connection. Nothing happens where it is closed already.
    public func close() {
        if let handle { PQfinish(handle) }
        handle = nil
    }

    /// Whether the connection can be used, as far as is known without asking the server.
    public var isOpen: Bool { handle.map { PQstatus($0) == CONNECTION_OK } ?? false }

    /// Whether a transaction is open, failed or not.
    public var isInTransaction: Bool {
        guard let handle else { return false }
        return beginsTransaction || PQtransactionStatus(handle) != PQTRANS_IDLE
    }

    /// The version of the server, such as 150018; 0 where the connection is closed.
    public var serverVersion: Int { Int(PQserverVersion(handle)) }

    /// Whether TLS is used.
    public var isEncrypted: Bool { handle.map { PQsslInUse($0) != 0 } ?? false }

    /// Whether an idle connection still works, as far as the system knows: it takes what the server has sent in the meantime, such as the
    /// reason why it ended the session.
    func isUsable() -> Bool {
        guard let handle, isOpen else { return false }
        // Its last message comes before the end of the stream.
        for _ in 0..<16 where Descriptors.wait(for: PQsocket(handle), .reading, until: .now) == .ready {
            guard PQconsumeInput(handle) == 1, PQstatus(handle) == CONNECTION_OK else { return false }
        }
        return true
    }

    /// Makes the connection as good as new after a use that may have left a transaction open. It is closed where that fails.
    func reset() {
        answerTimeout = settings.answerTimeout
        beginsTransaction = false
        guard let handle, isOpen else { return close() }
        guard PQtransactionStatus(handle) != PQTRANS_IDLE else { return }
        _ = try? pipeline([.rollback])
        if isInTransaction { close() }
    }
}
