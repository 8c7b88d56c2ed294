public import Exports
import Foundation
public import JSON

/// The identity behind a token: whom an upstream names as the creator of a job that was started with it.
public struct UpstreamIdentity: Sendable, Hashable {
    /// The object id of the user, or of the application's service principal; lower case.
    public var objectID: String?
    /// The application's (client) id; lower case.
    public var applicationID: String?

    /// Makes an identity.
    public init(objectID: String? = nil, applicationID: String? = nil) {
        self.objectID = objectID?.lowercased()
        self.applicationID = applicationID?.lowercased()
    }

    /// Reads the claims of an Entra ID token (https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference). The
    /// signature is not verified: the result is used only to exclude jobs of others. Nil for a token that cannot be read, which
    /// Microsoft may issue.
    init?(token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var text = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard let bytes = Data(base64Encoded: text), let claims = try? JSONValue(parsing: bytes) else {
            return nil
        }
        self.init(objectID: claims["oid"]?.string, applicationID: (claims["appid"] ?? claims["azp"])?.string)
        if objectID == nil, applicationID == nil { return nil }
    }

    /// Whether an `identitySet` of Graph, such as `createdBy`, may be this identity, because it does not name another one.
    public func mayBe(_ identitySet: JSONValue?) -> Bool {
        func differs(_ member: String, from own: String?) -> Bool {
            guard let own, let id = identitySet?[member]?["id"]?.string, !id.isEmpty else { return false }
            return id.lowercased() != own
        }
        return !differs("user", from: objectID) && !differs("application", from: applicationID)
    }
}

extension UpstreamClient {
    /// The identity of the token that a call would send now. Nil where the token does not say, or there is none.
    public func identity(for scope: TokenScope, context: CallContext) async -> UpstreamIdentity? {
        do {
            let token = try await tokens.accessToken(for: scope, context: context, replacing: nil)
            return UpstreamIdentity(token: token.secret.reveal())
        } catch {
            // The next call that needs the token reports the error.
            return nil
        }
    }
}
