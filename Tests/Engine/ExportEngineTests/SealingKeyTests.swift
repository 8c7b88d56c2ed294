import TestLedger
@testable import ExportEngine
import ExportLedger
import Exports
import InMemoryLogging
import Logging
import ManualClock
import Synchronization
import SystemCrypto
import Testing

/// What a start does with the refresh tokens that rest: keys are rotated, and what is of no use is removed.
@Suite(.timeLimit(.minutes(5))) struct SealingKeyTests {
    private let logs = InMemoryLogHandler()

    /// A gateway that has ended with one tracked export, whose refresh token is sealed with the key `a`.
    private func ended() async throws -> (Bench, ExportID) {
        let logs = logs
        let bench = try Bench(sealingKeys: .testing("a"), logger: Logger(label: "test") { _ in logs }) {
            $0.delegatedOnly = true
        }
        bench.provider.set {
            $0.onCall = { _, context in
                if context.authorization != nil { await context.refreshToken?.keep(Secret("refresh-1")) }
            }
        }
        let id = try await bench.running {
            let id = try await bench.create(token: "t")
            return try await bench.until(id) { $0.isTracked }.export.id
        }
        return (bench, id)
    }

    /// Runs a gateway until it has nothing to do but wait.
    private func start(_ bench: Bench) async throws {
        try await bench.running { await bench.idle() }
    }

    private func warnings() -> [String] {
        logs.entries.filter { $0.level == .warning }.map { "\($0.message) \($0.metadata["error"] ?? "-")" }
    }

    @Test func keysAreRotatedOverThreeStarts() async throws {
        let (first, id) = try await ended()
        let old = try #require(try await first.ledger.refreshToken(of: id))

        let second = try first.restarted(sealingKeys: .testing("b", "a"))
        try await start(second)
        let new = try #require(try await first.ledger.refreshToken(of: id))
        #expect(try SealingKeys.testing("a").isOutdated(old) == false)
        #expect(try SealingKeys.testing("b").isOutdated(new) == false)

        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let third = try first.restarted(sealingKeys: .testing("b"))
        let record = try await third.running { try await third.drive(id) }
        #expect(record.export.status == .succeeded)
        #expect(first.provider.state.withLock { $0.refreshTokens.last } == Secret("refresh-1"))
        #expect(warnings().isEmpty)
    }

    @Test func whatIsSealedWithTheCurrentKeyIsLeftAsItIs() async throws {
        let (first, id) = try await ended()
        let before = try await first.ledger.refreshToken(of: id)
        let second = try first.restarted(sealingKeys: .testing("a", "b"))
        try await start(second)
        #expect(try await first.ledger.refreshToken(of: id) == before)
    }

    @Test func aKeyThatIsGoneCostsTheBackgroundOnly() async throws {
        let (first, id) = try await ended()
        let second = try first.restarted(sealingKeys: .testing("b"))
        try await second.running {
            let held = try await second.drive(id) { $0.progress.awaitsAuthorization }
            #expect(held.phase == .tracking)
        }
        #expect(try await first.ledger.refreshToken(of: id) == nil)
        #expect(first.provider.count(.observe) == 0)
        #expect(
            warnings() == ["a stored refresh token cannot be decrypted: the export waits for its caller unknown-key"]
        )
    }

    @Test func whatWasAlteredIsRemoved() async throws {
        let (first, id) = try await ended()
        let other = LedgerRecord.testing()
        _ = try await first.ledger.insert(other, idempotency: nil, claimsSince: other.export.createdAt)
        let sealed = try await first.ledger.refreshToken(of: id)
        // Moved to another export; and not sealed at all.
        _ = try await first.ledger.updateRefreshToken(of: other.export.id) { $0 = sealed }
        _ = try await first.ledger.updateRefreshToken(of: id) { $0 = Array("refresh-1".utf8) }
        try await start(first.restarted())
        #expect(try await first.ledger.refreshTokens(after: nil, limit: 9).isEmpty)
        #expect(
            Set(warnings())
                == [
                    "a stored refresh token cannot be decrypted: the export waits for its caller malformed",
                    "a stored refresh token cannot be decrypted: the export waits for its caller not-authentic",
                ]
        )
    }

    @Test(arguments: [true, false])
    func aConnectionThatKeepsNoneAnyMoreLosesThem(hasKeys: Bool) async throws {
        let (first, id) = try await ended()
        let second =
            hasKeys
            ? try first.restarted(keepsRefreshTokens: false)
            : try Bench(ledger: first.ledger) { $0.delegatedOnly = true }
        try await second.running {
            _ = try await second.drive(id) { $0.progress.awaitsAuthorization }
        }
        #expect(try await first.ledger.refreshToken(of: id) == nil)
    }

    @Test func aMissingConnectionsTokensWaitWithItsExports() async throws {
        let (first, id) = try await ended()
        try await first.runWithoutConnection(until: id, sealingKeys: .testing("b", "a"))
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let again = try first.restarted(sealingKeys: .testing("b"))
        #expect(try await again.running { try await again.drive(id) }.export.status == .succeeded)
    }

    @Test func allOfManyAreSealedAgain() async throws {
        let ledger = try SQLiteLedger.temporary()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let old = RefreshTokens(ledger: ledger, keys: try .testing("a"), logger: logger)
        var exports: [ExportID: Export] = [:]
        for number in 0..<250 {
            let record = LedgerRecord.testing()
            _ = try await ledger.insert(record, idempotency: nil, claimsSince: record.export.createdAt)
            await old.store(for: record.export)?.keep(Secret("\(number)"))
            exports[record.export.id] = record.export
        }
        let tokens = RefreshTokens(ledger: ledger, keys: try .testing("b", "a"), logger: logger)
        try await tokens.renew(for: exports) { _ in true }
        let onlyNew = RefreshTokens(ledger: ledger, keys: try .testing("b"), logger: logger)
        var found: Set<Secret> = []
        for export in exports.values {
            if let token = await onlyNew.store(for: export)?.token() { found.insert(token) }
        }
        #expect(found == Set((0..<250).map { Secret("\($0)") }))
    }

    @Test func aNewerTokenIsNotOverwritten() async throws {
        let ledger = try StagedLedger()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let record = LedgerRecord.testing()
        let export = record.export
        _ = try await ledger.insert(record, idempotency: nil, claimsSince: export.createdAt)
        let old = RefreshTokens(ledger: ledger, keys: try .testing("a"), logger: logger)
        await old.store(for: export)?.keep(Secret("old"))
        let newer = try Sealing(keys: .testing("b"), export: export).seal(Secret("newer"))
        ledger.set { state in
            state.beforeWrite = { _ = try await ledger.ledger.updateRefreshToken(of: export.id) { $0 = newer } }
        }
        let tokens = RefreshTokens(ledger: ledger, keys: try .testing("b", "a"), logger: logger)
        try await tokens.renew(for: [export.id: export]) { _ in true }
        #expect(try await ledger.refreshToken(of: export.id) == newer)
    }
}
