extension ReplicaMessage {
    /// A replica has freed leases, so that others can claim them at once. Without a body. Sent by ``ReplicatedLedger/free(_:)`` and
    /// ``ReplicatedLedger/leave()``.
    public static let leases = "leases"
}
