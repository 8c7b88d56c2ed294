import ExportLedger
import Exports

extension Sample {
    /// The leases of replicas, with the connections of sample records.
    static let leases: [String: Set<LeasedConnection>] = [
        "first": [connection("main"), connection("second")], "other": [connection("other")],
    ]

    static func connection(_ name: String) -> LeasedConnection {
        LeasedConnection(provider: ProviderID("power-bi"), connection: name)
    }
}

extension ReplicatedLedger {
    /// Registers with the sample leases, for so long that it does not expire by itself.
    func join(_ leases: [String: Set<LeasedConnection>] = Sample.leases) async throws -> ReplicaView {
        try await join(lifetime: .seconds(600), leases: leases, secrets: [:])
    }

    /// Registers and claims a lease that is free.
    func joinAndClaim(_ name: String = "first") async throws -> HeldLease? {
        _ = try await join()
        return try await claim([name]).first
    }

    /// Stores a record with this owner, and returns its id.
    func id(of record: LedgerRecord, owner: String?) async throws -> ExportID {
        var record = record
        record.leaseOwner = owner
        return try await id(of: record)
    }

    /// Whether an update with this fence is written.
    func mayWrite(_ id: ExportID, fence: Int64 = 1) async throws -> Bool {
        let outcome = try await update(id, fence: fence) { $0.progress.polls += 1 }
        return if case .written = outcome { true } else { false }
    }

    func takeAll(
        for lease: HeldLease,
        only ids: [ExportID]? = nil,
        limit: Int = 2
    ) async throws -> [LedgerRecord] {
        var (records, last): ([LedgerRecord], ExportID?) = ([], nil)
        repeat {
            let page = try await takeOver(for: lease, only: ids, after: last, limit: limit) { $0.progress.failures = 7 }
            records += page.items.map(\.after)
            last = page.next
        } while last != nil
        return records
    }
}
