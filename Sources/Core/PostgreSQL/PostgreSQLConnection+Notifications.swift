import CPQ

extension PostgreSQLConnection {
    /// Listens to a channel: a letter of ASCII in lower case or `_`, then such letters, digits and `_`, at most 63 bytes.
    ///
    /// Notifications that are sent from now on are received. A connection of a ``PostgreSQLPool`` must not listen: others use it, too.
    public func listen(_ channel: String) throws(PostgreSQLError) {
        let isPlain = channel.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
        let isName = channel.utf8.first.map { !(0x30...0x39).contains($0) } ?? false
        precondition(isPlain && isName && channel.utf8.count <= 63, "a channel whose name is no plain identifier")
        try execute("LISTEN \(channel)")
    }

    /// Waits for notifications of the channels that the connection listens to, and returns those that have come. Empty when `timeout` has
    /// passed, and when the interrupter was used. Throws `connectionLost`.
    public func waitForNotifications(for timeout: Duration) throws(PostgreSQLError) -> [Notification] {
        guard let handle else { throw .lost("The connection is closed.") }
        let deadline = ContinuousClock.now + timeout
        while true {
            let notifications = received(handle)
            if !notifications.isEmpty { return notifications }
            if CPQ_has_decrypted(handle) == 0 {
                switch Descriptors.wait(for: PQsocket(handle), .reading, or: interrupter, until: deadline) {
                case .ready: break
                case .interrupted, .timedOut: return []
                }
            }
            guard PQconsumeInput(handle) == 1, PQstatus(handle) == CONNECTION_OK else {
                close()
                throw .lost("The server closed the connection.")
            }
        }
    }

    private func received(_ handle: OpaquePointer) -> [Notification] {
        var notifications: [Notification] = []
        while let next = PQnotifies(handle) {
            notifications.append(
                Notification(
                    channel: String(cString: next.pointee.relname),
                    payload: next.pointee.extra.map { String(cString: $0) } ?? ""
                )
            )
            PQfreemem(next)
        }
        return notifications
    }
}
