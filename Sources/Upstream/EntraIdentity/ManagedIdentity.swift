public import Exports
public import UpstreamHTTP

/// The identity that the platform gives to this machine or app, and the endpoint that issues its tokens
/// (`Upstream-EntraID, Managed identities`).
public struct ManagedIdentity: Sendable {
    /// The two services that issue tokens. Each has its own request, answers and rules for retries.
    public enum Host: Sendable {
        /// The metadata service of virtual machines, scale sets and container instances.
        case metadata(UpstreamURL)
        /// The endpoint of App Service, Functions and Container Apps (`IDENTITY_ENDPOINT`), and the secret that proves that the
        /// request is from the app (`IDENTITY_HEADER`).
        case appService(UpstreamURL, header: Secret)
    }

    /// Which one of several identities to use.
    public enum Identity: Sendable, Hashable {
        case systemAssigned
        /// The application id of a user-assigned identity.
        case clientID(String)
        /// The object id of its service principal.
        case objectID(String)
        /// Its Azure resource id.
        case resourceID(String)
    }

    public var host: Host
    public var identity: Identity

    /// Makes an identity.
    public init(host: Host, identity: Identity = .systemAssigned) {
        self.host = host
        self.identity = identity
    }

    /// Where the metadata service is on every machine of Azure.
    public static let metadataAddress = "http://169.254.169.254"

    /// The address that is called.
    public var endpoint: UpstreamURL {
        switch host {
        case .metadata(let base): base.appending(path: ["metadata", "identity", "oauth2", "token"])
        case .appService(let endpoint, _): endpoint
        }
    }

    func request(for scope: TokenScope) -> UpstreamRequest {
        var query = [("api-version", version), ("resource", Self.resource(of: scope))]
        switch identity {
        case .systemAssigned: break
        case .clientID(let id): query.append(("client_id", id))
        case .objectID(let id): query.append(("object_id", id))
        case .resourceID(let id): query.append((isMetadata ? "msi_res_id" : "mi_res_id", id))
        }
        var request = UpstreamRequest(
            "entra.managed-identity",
            .get,
            endpoint.appending(query: query.map { (name: $0.0, value: $0.1) })
        )
        request.isPaced = false
        request.bodyLimit = AnswerLimit.token
        request.rejectsToken = { _ in false }
        switch host {
        case .metadata:
            request.headers = [("Metadata", "true")]
            // `MetadataRetries` has the rules for retries. Outside of Azure, further attempts would be useless.
            request.attempts = 1
        case .appService(_, let header): request.secretHeaders = [("X-IDENTITY-HEADER", header)]
        }
        return request
    }

    var isMetadata: Bool { if case .metadata = host { true } else { false } }

    private var version: String { isMetadata ? "2018-02-01" : "2019-08-01" }

    /// The resource of a scope: managed identities have resources, not scopes.
    static func resource(of scope: TokenScope) -> String {
        let suffix = "/.default"
        return scope.rawValue.hasSuffix(suffix) ? String(scope.rawValue.dropLast(suffix.count)) : scope.rawValue
    }
}
