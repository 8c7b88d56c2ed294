import ExportLedger
import Exports
import Logging
import Synchronization
import SystemCrypto

/// The refresh tokens of exports that have not ended: all of them encrypted in the ledger, and the recently used ones in memory.
///
/// The ledger deletes a token with the update that settles its export, and accepts none afterwards. The copy in memory is removed
/// when the connection worker releases the export for good.
final class RefreshTokens: Sendable {
    private struct Kept: Equatable {
        var token: Secret
        /// Whether the ledger has it too.
        var isWritten: Bool
    }

    private struct State {
        var kept: RecentValues<Kept>
        /// The number of removals: a token that was read from the ledger before a removal may be deleted since.
        var removals: UInt64 = 0

        mutating func remove(_ id: ExportID) {
            kept[id] = nil
            removals += 1
        }
    }

    let ledger: any ExportLedger
    /// Nil where no tokens are kept at all.
    let keys: SealingKeys?
    let logger: Logger
    private let state: Mutex<State>

    /// Keeps at most `capacity` tokens in memory: the oldest are evicted.
    init(ledger: any ExportLedger, keys: SealingKeys?, logger: Logger, capacity: Int = 10_000) {
        self.ledger = ledger
        self.keys = keys
        self.logger = logger
        state = Mutex(State(kept: RecentValues(capacity: capacity)))
    }

    /// The store of an export's token. Nil where no tokens are kept.
    func store(for export: Export) -> KeptRefreshToken? {
        keys.map { KeptRefreshToken(exportID: export.id, sealing: Sealing(keys: $0, export: export), tokens: self) }
    }

    /// The token; nil where there is none that can be decrypted. Throws what the ledger throws.
    ///
    /// The read is completed even when the task is cancelled.
    func token(of store: KeptRefreshToken) async throws -> Secret? {
        let id = store.exportID
        let (kept, removals) = state.withLock { ($0.kept[id], $0.removals) }
        if let kept {
            // An earlier write has failed, so the ledger does not have the token yet.
            if !kept.isWritten { await write(kept.token, store) }
            return kept.token
        }
        let ledger = ledger
        // A new task, because that does not inherit the cancellation. It is awaited here.
        let read = Task { try await ledger.refreshToken(of: id) }
        guard let sealed = try await read.value else { return nil }
        let token: Secret
        do throws(CryptoError) {
            token = try store.sealing.open(sealed)
        } catch {
            warnOfUnopened(id, error)
            return nil
        }
        return state.withLock { state in
            if let newer = state.kept[id] { return newer.token }
            if state.removals == removals { state.kept[id] = Kept(token: token, isWritten: true) }
            return token
        }
    }

    /// Keeps a token in place of any other, until the export has ended.
    func keep(_ token: Secret, in store: KeptRefreshToken) async {
        let isNew = state.withLock { state in
            guard state.kept[store.exportID] != Kept(token: token, isWritten: true) else { return false }
            state.kept[store.exportID] = Kept(token: token, isWritten: false)
            return true
        }
        if isNew { await write(token, store) }
    }

    /// Removes a token that was refused, unless a newer one has come.
    func remove(_ token: Secret, in store: KeptRefreshToken) async {
        let id = store.exportID
        state.withLock { if $0.kept[id]?.token == token { $0.remove(id) } }
        let ledger = ledger
        // As in `token`: a new task, which is awaited here.
        let removal = Task {
            try await ledger.updateRefreshToken(of: id) { sealed in
                guard let resting = sealed else { return }
                // A token that cannot be decrypted is of no use either.
                let isNewer = (try? store.sealing.open(resting)).map { $0 != token } ?? false
                if !isNewer { sealed = nil }
            }
        }
        do {
            _ = try await removal.value
        } catch {
            // The authority will refuse it again at its next use, and then it is removed.
            logger.error(
                "a refused refresh token could not be deleted from the ledger",
                metadata: ["export": "\(id)", "error": "\(error)"]
            )
        }
    }

    /// Drops what is in memory: the export has ended, or is another's.
    func letGo(of id: ExportID) { state.withLock { $0.remove(id) } }

    private func write(_ token: Secret, _ store: KeptRefreshToken) async {
        let id = store.exportID
        let ledger = ledger
        // As in `token`: a new task, which is awaited here.
        let write = Task {
            try await ledger.updateRefreshToken(of: id) { sealed in
                // Uses the newest token at the time of the write, so that the order of two writes does not matter.
                let newest = self.state.withLock { $0.kept[id]?.token } ?? token
                sealed = try store.sealing.seal(newest)
            }
        }
        do {
            let isKept = try await write.value
            state.withLock { state in
                // The export has ended in the meantime, so the token is not needed.
                if !isKept { return state.remove(id) }
                if state.kept[id]?.token == token { state.kept[id]?.isWritten = true }
            }
        } catch {
            logger.error(
                "a refresh token could not be stored; it is kept in memory",
                metadata: ["export": "\(id)", "error": "\(error)"]
            )
        }
    }

    func warnOfUnopened(_ id: ExportID, _ error: CryptoError) {
        logger.warning(
            "a stored refresh token cannot be decrypted: the export waits for its caller",
            metadata: ["export": "\(id)", "error": "\(error.label)"]
        )
    }
}
