import ExportLedger
import Exports
import Testing

@Suite struct IdempotencyTests {
    private let key = Idempotency(key: "k", fingerprint: "f")
    private let since = Fixture.epoch + .seconds(-86_400)

    @Test func sameKeyAndFingerprintGiveTheSameExport() async throws {
        let ledger = try SQLiteLedger.inMemory()
        let first = Fixture.record()
        #expect(try await ledger.insert(first, idempotency: key, claimsSince: since) == .created(first))
        let second = Fixture.record()
        #expect(try await ledger.insert(second, idempotency: key, claimsSince: since) == .replayed(first))
        #expect(try await ledger.record(second.export.id) == nil)
        #expect(try await ledger.claimed(key, by: "alice", claimsSince: since) == .replayed(first))
    }

    @Test func otherFingerprintIsRefused() async throws {
        let ledger = try SQLiteLedger.inMemory()
        _ = try await ledger.insert(Fixture.record(), idempotency: key, claimsSince: since)
        let other = Idempotency(key: "k", fingerprint: "g")
        #expect(try await ledger.insert(Fixture.record(), idempotency: other, claimsSince: since) == .keyReused)
        #expect(try await ledger.claimed(other, by: "alice", claimsSince: since) == .keyReused)
        #expect(try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports.count == 1)
    }

    @Test func keysAreEachCallersOwn() async throws {
        let ledger = try SQLiteLedger.inMemory()
        _ = try await ledger.insert(Fixture.record(), idempotency: key, claimsSince: since)
        let bobs = Fixture.record(by: "bob")
        #expect(try await ledger.claimed(key, by: "bob", claimsSince: since) == nil)
        #expect(try await ledger.insert(bobs, idempotency: key, claimsSince: since) == .created(bobs))
    }

    @Test func oldKeysAreForgotten() async throws {
        let ledger = try SQLiteLedger.inMemory()
        _ = try await ledger.insert(Fixture.record(), idempotency: key, claimsSince: since)
        let later = Fixture.epoch + .seconds(1)
        #expect(try await ledger.claimed(key, by: "alice", claimsSince: later) == nil)
        let second = Fixture.record(at: later)
        #expect(try await ledger.insert(second, idempotency: key, claimsSince: later) == .created(second))
        #expect(try await ledger.claimed(key, by: "alice", claimsSince: since) == .replayed(second))

        try await ledger.pruneClaims(before: later)
        #expect(try await ledger.claimed(key, by: "alice", claimsSince: since) == .replayed(second))
        try await ledger.pruneClaims(before: later + .seconds(1))
        #expect(try await ledger.claimed(key, by: "alice", claimsSince: since) == nil)
    }

    @Test func ofManyAtOnceOneCreates() async throws {
        let directory = try TemporaryDirectory()
        let ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        let outcomes = try await withThrowingTaskGroup(of: InsertOutcome.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await ledger.insert(Fixture.record(), idempotency: self.key, claimsSince: self.since)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let created = outcomes.compactMap(\.created)
        #expect(created.count == 1)
        #expect(Set(outcomes.compactMap(\.replayed)) == Set(created))
        #expect(try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9).exports.count == 1)
    }
}
