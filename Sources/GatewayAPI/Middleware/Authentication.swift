import Exports
import HTTPTypes
import SystemCrypto

/// Who calls: `Authorization: Bearer <key>` against the digests of the configured keys.
struct Authentication: Sendable {
    /// The caller's name where no keys are configured.
    static let anonymous = "anonymous"

    let keys: [APIKey]

    /// The caller's name. Throws `unauthenticated` for a missing, unreadable or wrong key.
    func caller(of fields: HTTPFields) throws(GatewayError) -> String {
        guard !keys.isEmpty else { return Self.anonymous }
        let lines = fields[values: .authorization]
        guard let line = lines.first else {
            throw GatewayError(.unauthenticated, "Send an API key as \"Authorization: Bearer <key>\".")
        }
        guard lines.count == 1, line.prefix(7).lowercased() == "bearer " else {
            throw GatewayError(.unauthenticated, "Authorization must be \"Bearer \" and an API key, given once.")
        }
        let digest = SHA256.hash(Array(line.dropFirst(7).utf8))
        var caller: String?
        // All keys are compared, so that the time tells nothing of which one nearly matched.
        for key in keys where constantTimeEquals(digest, key.sha256) { caller = key.id }
        guard let caller else { throw GatewayError(.unauthenticated, "This API key is not known here.") }
        return caller
    }
}
