public import ExportLedger

/// Who is told what this replica holds, and what it hears of the other replicas: the request budgets, which are spent where their
/// lease is held.
///
/// The functions are called one at a time. They return at once: none of them waits or calls the ledger.
public protocol LeaseObserver: Sendable {
    /// This replica holds a lease from now on. Called after the claim is stored, and before anything is done under the lease.
    func gained(_ lease: HeldLease)

    /// This replica does not hold a lease any more. A lease that is handed over is told here before it is freed in the ledger, so
    /// that nothing is done under it any more when another replica can have it.
    func lost(_ lease: HeldLease)

    /// The registration, and with it every held lease, is valid until this time of the monotonic clock (`TimeSource.elapsed()`),
    /// counted from before the renewal was asked for. Without a further call nothing is done under a lease after that.
    func isValid(until deadline: Duration)

    /// What the ledger said at the last renewal, or when this replica joined: the ids of the replicas whose registration is valid,
    /// and who holds each lease, by its name. A lease that nobody holds is missing. Of two calls, the second one has what was
    /// read after the first one returned.
    func sees(replicas: Set<String>, holders: [String: String])

    /// A message of another replica. It can come twice, late, or not at all. Called on a thread of the ledger.
    func received(_ message: ReplicaMessage)
}
