import TestSupport
@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Logging
import SystemCrypto
import Testing

/// The store itself: what is in the ledger, what is in memory, and what happens when two come at the same time.
@Suite(.timeLimit(.minutes(5))) struct RefreshTokensTests {
    private let ledger: StagedLedger
    private let export: Export
    private let keys: SealingKeys

    init() async throws {
        ledger = try StagedLedger()
        keys = try .testing("a")
        let record = LedgerRecord.testing()
        _ = try await ledger.insert(record, idempotency: nil, claimsSince: record.export.createdAt)
        export = record.export
    }

    private func tokens(_ keys: SealingKeys? = nil, capacity: Int = 10) -> RefreshTokens {
        RefreshTokens(
            ledger: ledger,
            keys: keys ?? self.keys,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            capacity: capacity
        )
    }

    private func store(_ tokens: RefreshTokens? = nil, for export: Export? = nil) throws -> KeptRefreshToken {
        try #require((tokens ?? self.tokens()).store(for: export ?? self.export))
    }

    private func settle() async throws {
        _ = try await ledger.update(export.id, fence: nil) { $0.phase = .settled }
    }

    @Test func restsSealedAndComesBack() async throws {
        let store = try store()
        #expect(await store.token() == nil)
        await store.keep(Secret("refresh-1"))
        #expect(await store.token() == Secret("refresh-1"))
        let sealed = try #require(try await ledger.refreshToken(of: export.id))
        #expect(!String(decoding: sealed, as: UTF8.self).contains("refresh-1"))
        // Another process.
        #expect(try await self.store().load() == Secret("refresh-1"))
    }

    @Test func whatIsTheSameIsWrittenOnce() async throws {
        let store = try store()
        await store.keep(Secret("1"))
        await store.keep(Secret("1"))
        #expect(ledger.writes == 1)
        await store.keep(Secret("2"))
        #expect(ledger.writes == 2)
        let later = try self.store()
        #expect(await later.token() == Secret("2"))
        await later.keep(Secret("2"))
        #expect(ledger.writes == 2)
        #expect(ledger.reads == 1)
    }

    @Test func refusedOnesAreRemovedAndNewerOnesStay() async throws {
        let store = try store()
        await store.keep(Secret("2"))
        await store.remove(Secret("1"))
        #expect(await store.token() == Secret("2"))
        #expect(try await self.store().load() == Secret("2"))
        // Known to another store, not to this one.
        let other = try self.store()
        await other.remove(Secret("1"))
        #expect(try await ledger.refreshToken(of: export.id) != nil)
        await other.remove(Secret("2"))
        #expect(try await ledger.refreshToken(of: export.id) == nil)
        await store.remove(Secret("2"))
        #expect(await store.token() == nil)
    }

    @Test func nothingIsKeptOfWhatHasEnded() async throws {
        let store = try store()
        await store.keep(Secret("1"))
        try await settle()
        #expect(try await ledger.refreshToken(of: export.id) == nil)
        await store.keep(Secret("2"))
        #expect(try await ledger.refreshToken(of: export.id) == nil)
        #expect(await store.token() == nil)
    }

    @Test func anEndWhileItIsWrittenLeavesNothing() async throws {
        let gate = Gate()
        ledger.set { $0.beforeWrite = { await gate.pass() } }
        let store = try store()
        async let kept: Void = store.keep(Secret("1"))
        await ledger.tokenWrites.reach(1)
        try await settle()
        gate.open()
        await kept
        #expect(try await ledger.refreshToken(of: export.id) == nil)
        #expect(await store.token() == nil)
    }

    @Test func anEndWhileItIsReadLeavesNothingInMemory() async throws {
        try await store().keep(Secret("1"))
        let gate = Gate()
        ledger.set { $0.beforeRead = { await gate.pass() } }
        let tokens = tokens()
        let store = try store(tokens)
        async let token = store.token()
        await ledger.tokenReads.reach(1)
        tokens.letGo(of: export.id)
        gate.open()
        #expect(await token == Secret("1"))
        try await settle()
        #expect(await store.token() == nil)
    }

    @Test func theLastOfManyAtOnceIsTheOneThatRests() async throws {
        let store = try store()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 { group.addTask { await store.keep(Secret("\(number)")) } }
        }
        let inMemory = await store.token()
        #expect(inMemory != nil)
        #expect(try await self.store().load() == inMemory)
    }

    @Test func aLateWriteDoesNotBringAnOldOneBack() async throws {
        let gate = Gate()
        ledger.set { $0.beforeWrite = { await gate.pass() } }
        let store = try store()
        async let first: Void = store.keep(Secret("1"))
        await ledger.tokenWrites.reach(1)
        ledger.set { $0.beforeWrite = {} }
        await store.keep(Secret("2"))
        gate.open()
        await first
        #expect(await store.token() == Secret("2"))
        #expect(try await self.store().load() == Secret("2"))
    }

    @Test func whatTheLedgerDoesNotTakeIsUsedAndWrittenLater() async throws {
        let store = try store()
        await store.keep(Secret("1"))
        ledger.set { $0.beforeWrite = { throw StagedLedger.failure } }
        await store.keep(Secret("2"))
        #expect(try await self.store().load() == Secret("1"))
        #expect(await store.token() == Secret("2"))
        ledger.set { $0.beforeWrite = {} }
        #expect(await store.token() == Secret("2"))
        #expect(try await self.store().load() == Secret("2"))
        let writes = ledger.writes
        #expect(await store.token() == Secret("2"))
        #expect(ledger.writes == writes)
    }

    @Test func notKnowingIsNotTheSameAsThereBeingNone() async throws {
        try await store().keep(Secret("1"))
        ledger.set { $0.beforeRead = { throw StagedLedger.failure } }
        let store = try store()
        await #expect(throws: LedgerError.self) { try await store.load() }
        #expect(await store.token() == nil)
        ledger.set { $0.beforeRead = {} }
        #expect(await store.token() == Secret("1"))
    }

    @Test func aRemovalThatFailsIsMadeUpForAtTheNextRefusal() async throws {
        let store = try store()
        await store.keep(Secret("1"))
        ledger.set { $0.beforeWrite = { throw StagedLedger.failure } }
        await store.remove(Secret("1"))
        #expect(await store.token() == Secret("1"))
        ledger.set { $0.beforeWrite = {} }
        await store.remove(Secret("1"))
        #expect(await store.token() == nil)
        #expect(try await ledger.refreshToken(of: export.id) == nil)
    }

    @Test func cancellationCutsNothingOff() async throws {
        let store = try store()
        let (left, leave) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            for await _ in left {}
            #expect(Task.isCancelled)
            await store.keep(Secret("1"))
            let later = try self.store()
            #expect(await later.token() == Secret("1"))
            await later.remove(Secret("1"))
        }
        task.cancel()
        leave.finish()
        try await task.value
        #expect(ledger.writes == 2)
        #expect(try await ledger.refreshToken(of: export.id) == nil)
    }

    @Test func opensForItsExportOnItsConnectionOnly() async throws {
        try await store().keep(Secret("1"))
        let sealed = try #require(try await ledger.refreshToken(of: export.id))
        let other = LedgerRecord.testing()
        _ = try await ledger.insert(other, idempotency: nil, claimsSince: other.export.createdAt)
        _ = try await ledger.updateRefreshToken(of: other.export.id) { $0 = sealed }
        #expect(try await store(for: other.export).token() == nil)
        var moved = export
        moved.connection = "elsewhere"
        #expect(try await store(for: moved).token() == nil)
        #expect(try await store(tokens(.testing("b"))).token() == nil)
        #expect(try await store().token() == Secret("1"))
    }

    @Test func memoryIsBoundedAndTheLedgerHasTheRest() async throws {
        let tokens = tokens(capacity: 2)
        var stores: [KeptRefreshToken] = []
        for number in 0..<3 {
            let record = LedgerRecord.testing()
            _ = try await ledger.insert(record, idempotency: nil, claimsSince: record.export.createdAt)
            let store = try store(tokens, for: record.export)
            await store.keep(Secret("\(number)"))
            stores.append(store)
        }
        #expect(ledger.reads == 0)
        #expect(await stores[2].token() == Secret("2"))
        #expect(await stores[1].token() == Secret("1"))
        #expect(ledger.reads == 0)
        #expect(await stores[0].token() == Secret("0"))
        #expect(ledger.reads == 1)
    }

    @Test func withoutKeysThereIsNoStore() {
        let none = RefreshTokens(
            ledger: ledger,
            keys: nil,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        #expect(none.store(for: export) == nil)
    }

    @Test func aContextDoesNotPrintWhatIsKept() async throws {
        let store = try store()
        await store.keep(Secret("refresh-1"))
        let context = CallContext(requestID: "r", authorization: Secret("access-1"), refreshToken: store)
        var text = "\(context)" + String(reflecting: context)
        dump(context, to: &text)
        #expect(!text.contains("refresh-1"))
        #expect(!text.contains("access-1"))
        #expect(!text.contains("97, 97, 97"))
    }
}

extension SealingKeys {
    /// Keys by ids of one letter; the first one is the current one.
    static func testing(_ ids: String...) throws -> SealingKeys {
        let keys = ids.map { ($0, [UInt8](repeating: $0.utf8.first ?? 0, count: 32)) }
        return try SealingKeys(current: ids[0], keys: Dictionary(uniqueKeysWithValues: keys))
    }
}

extension LedgerRecord {
    static func testing() -> LedgerRecord {
        var generator = SystemRandomNumberGenerator()
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        return LedgerRecord(
            export: Export(
                id: ExportID(at: now, random: &generator),
                provider: ScriptedProvider.descriptor.id,
                connection: "main",
                name: "Name",
                createdAt: now,
                createdBy: "alice",
                source: [:]
            ),
            plan: ExportPlan(source: [:], suggestedName: "Name")
        )
    }
}
