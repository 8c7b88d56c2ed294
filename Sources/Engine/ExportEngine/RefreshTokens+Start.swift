import ExportLedger
import Exports
import Logging
import SystemCrypto

extension RefreshTokens {
    /// Looks at what rests in the ledger for `exports`, before any work on them: what was sealed with an older key is sealed
    /// with the current one, what cannot be opened or is not wanted any more is removed.
    ///
    /// `exports` are those that have just been taken over; their ids come after `after` and, where that is given, not after
    /// `through`. Throws what the ledger throws, and `CryptoError` when nothing can be sealed.
    func renew(
        for exports: [ExportID: Export],
        after: ExportID? = nil,
        through: ExportID? = nil,
        isWanted: (Export) -> Bool
    ) async throws {
        var last = after
        while true {
            let page = try await ledger.refreshTokens(after: last, limit: 100)
            guard let end = page.last else { return }
            for resting in page {
                if let through, resting.exportID > through { return }
                // One that came a moment ago is sealed with the current key.
                guard let export = exports[resting.exportID] else { continue }
                if let keys, isWanted(export) {
                    try await renew(resting, Sealing(keys: keys, export: export))
                } else {
                    logger.notice(
                        "a kept refresh token is removed: its connection keeps none any more",
                        metadata: ["export": "\(export.id)"]
                    )
                    try await replace(resting, with: nil)
                }
            }
            last = end.exportID
        }
    }

    private func renew(_ resting: SealedRefreshToken, _ sealing: Sealing) async throws {
        let token: Secret
        do throws(CryptoError) {
            token = try sealing.open(resting.sealed)
        } catch {
            warnOfUnopened(resting.exportID, error)
            return try await replace(resting, with: nil)
        }
        if sealing.keys.isOutdated(resting.sealed) { try await replace(resting, with: sealing.seal(token)) }
    }

    private func replace(_ resting: SealedRefreshToken, with sealed: [UInt8]?) async throws {
        _ = try await ledger.updateRefreshToken(of: resting.exportID) { present in
            if present == resting.sealed { present = sealed }
        }
    }
}
