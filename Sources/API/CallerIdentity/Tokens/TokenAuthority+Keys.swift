import Exports
import JSON

extension TokenAuthority {
    /// A document of the authority is not valid.
    public struct UnusableDocument: Error {}

    /// How many keys a tenant's tokens can be checked with now, at least one.
    ///
    /// Throws what `documents` throws, and `UnusableDocument` for metadata of another issuer and for a key set without a usable
    /// key.
    public func keyCount(of tenantID: String) async throws -> Int { try await signingKeys(of: tenantID).count }

    /// Whether a tenant's keys are fetched as `other` fetches them.
    func hasKeysOf(_ other: TokenAuthority) -> Bool {
        url == other.url && keyRefreshInterval == other.keyRefreshInterval
    }

    /// A tenant's keys, from the authority's metadata (OpenID Connect Discovery 1.0, 4).
    func signingKeys(of tenantID: String) async throws -> [String: SigningKey] {
        let issuer = issuer(of: tenantID)
        let address = issuer + "/.well-known/openid-configuration"
        let document = try await documents.document(at: address)
        // Metadata of another tenant or authority would lead to foreign keys, so the issuer is checked.
        guard let metadata = try? JSONParser.parse(document), metadata["issuer"]?.string == issuer,
            let keysAddress = metadata["jwks_uri"]?.string
        else { throw UnusableDocument() }
        guard let keys = JSONWebKeySet.signingKeys(try await documents.document(at: keysAddress)), !keys.isEmpty else {
            throw UnusableDocument()
        }
        return keys
    }
}
