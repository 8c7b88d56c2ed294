import ExportLedger
import Exports
import Logging
import SystemCrypto

extension RefreshTokens {
    /// Renews the tokens in the ledger of `exports`, before any work on them. A token that was encrypted with an older key is
    /// encrypted with the current one. A token that cannot be decrypted, or is not used any more, is removed.
    ///
    /// `exports` are those that have just been taken over. Their ids come after `after` and, where that is given, not after
    /// `through`. Throws what the ledger throws, and `CryptoError` when nothing can be encrypted.
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
                // Not among the exports that were taken over: such a token is new, and is encrypted with the current key.
                guard let export = exports[resting.exportID] else { continue }
                if let keys, isWanted(export) {
                    try await renew(resting, Sealing(keys: keys, export: export))
                } else {
                    logger.notice(
                        "a stored refresh token was deleted: its connection does not keep refresh tokens any more",
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
