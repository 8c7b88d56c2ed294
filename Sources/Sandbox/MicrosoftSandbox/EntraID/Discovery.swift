import Exports
import HTTPTypes
import Hummingbird
import JSON

/// What the authority tells about itself: OpenID Connect's documents in both versions, its keys, and which hosts are one
/// (`Upstream-EntraID, Access tokens`).
struct Discovery {
    let world: World
    let call: Call

    private var answers: EntraAnswer { EntraAnswer(world: world, call: call) }
    private var base: String { world.base(.api, for: call) }

    func answer() -> Response {
        if call.operation == .instance { return instance }
        let tenant = call["tenant"].lowercased()
        let isCommon = ["common", "organizations"].contains(tenant)
        guard tenant == SandboxSeed.tenantID || isCommon else {
            return answers.error(
                EntraProblem(
                    error: "invalid_tenant",
                    code: 90_002,
                    text: "Tenant '\(call["tenant"])' not found. Check to make sure you have the correct tenant ID."
                )
            )
        }
        switch call.operation {
        case .configuration: return configuration(tenant: tenant, issuerTenant: isCommon ? "{tenantid}" : tenant)
        case .configurationV1: return configurationV1(tenant: tenant, issuerTenant: isCommon ? "{tenantid}" : tenant)
        case .keys: return keys(issuer: "\(base)/{tenantid}/v2.0")
        default: return keys(issuer: nil)
        }
    }

    private func configuration(tenant: String, issuerTenant: String) -> Response {
        let root = "\(base)/\(tenant)"
        var members = common
        members["issuer"] = .string("\(base)/\(issuerTenant)/v2.0")
        members["token_endpoint"] = .string("\(root)/oauth2/v2.0/token")
        members["authorization_endpoint"] = .string("\(root)/oauth2/v2.0/authorize")
        members["device_authorization_endpoint"] = .string("\(root)/oauth2/v2.0/devicecode")
        members["end_session_endpoint"] = .string("\(root)/oauth2/v2.0/logout")
        members["jwks_uri"] = .string("\(root)/discovery/v2.0/keys")
        return answers.metadata(.object(members))
    }

    private func configurationV1(tenant: String, issuerTenant: String) -> Response {
        let root = "\(base)/\(tenant)"
        var members = common
        members["issuer"] = .string("https://sts.windows.net/\(issuerTenant)/")
        members["token_endpoint"] = .string("\(root)/oauth2/token")
        members["authorization_endpoint"] = .string("\(root)/oauth2/authorize")
        members["end_session_endpoint"] = .string("\(root)/oauth2/logout")
        members["jwks_uri"] = .string("\(root)/discovery/keys")
        return answers.metadata(.object(members))
    }

    private var common: [String: JSONValue] {
        [
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "request_uri_parameter_supported": false,
            "tenant_region_scope": "WW",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        ]
    }

    private func keys(issuer: String?) -> Response {
        guard let document = try? world.signingKeys.document(issuer: issuer) else {
            return Response(status: .internalServerError)
        }
        return answers.metadata(document)
    }

    /// Every name that the sandbox is called by is a host of its own, whatever the port: MSAL leaves that out.
    private var instance: Response {
        let parts = call.query["authorization_endpoint"]?.split(separator: "/") ?? []
        guard parts.count > 2 else {
            return answers.error(
                EntraProblem(
                    error: "invalid_request",
                    code: 900_144,
                    text: "The request must contain the following parameter: 'authorization_endpoint'."
                )
            )
        }
        let host = Self.name(of: Substring(call.authority ?? ""))
        guard Self.name(of: parts[1]) == host else {
            return answers.error(
                EntraProblem(error: "invalid_instance", code: 50_049, text: "Unknown or invalid instance.")
            )
        }
        let name = JSONValue.string(String(host))
        return answers.metadata([
            "tenant_discovery_endpoint": .string("\(base)/\(parts[2])/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [["preferred_network": name, "preferred_cache": name, "aliases": [name]]],
        ])
    }

    /// An authority without its port.
    private static func name(of authority: Substring) -> Substring {
        guard let colon = authority.lastIndex(of: ":"), authority[colon...].dropFirst().allSatisfy(\.isNumber) else {
            return authority
        }
        return authority[..<colon]
    }
}
