import Exports
import Logging
import SystemCrypto

/// The store of one export's refresh token.
struct KeptRefreshToken: RefreshTokenStore {
    let exportID: ExportID
    let sealing: Sealing
    let tokens: RefreshTokens

    /// Like `token`, but throws what the ledger throws: a missing token is different from a ledger that cannot be read.
    func load() async throws -> Secret? { try await tokens.token(of: self) }

    func token() async -> Secret? {
        do {
            return try await load()
        } catch {
            tokens.logger.error(
                "a stored refresh token cannot be read",
                metadata: ["export": "\(exportID)", "error": "\(error)"]
            )
            return nil
        }
    }

    func keep(_ token: Secret) async { await tokens.keep(token, in: self) }
    func remove(_ token: Secret) async { await tokens.remove(token, in: self) }
}

/// Encrypts an export's refresh token. A token that was encrypted for one export cannot be decrypted for another, nor on another
/// connection.
struct Sealing: Sendable {
    let keys: SealingKeys
    private let context: [UInt8]

    init(keys: SealingKeys, export: Export) {
        self.keys = keys
        // Ids and providers contain no spaces, so the text is unambiguous.
        context = Array("refresh-token \(export.id) \(export.provider) \(export.connection)".utf8)
    }

    func seal(_ token: Secret) throws(CryptoError) -> [UInt8] {
        try keys.seal(Array(token.reveal().utf8), context: context)
    }

    func open(_ sealed: [UInt8]) throws(CryptoError) -> Secret {
        Secret(String(decoding: try keys.open(sealed, context: context), as: UTF8.self))
    }
}
