import Exports
import HTTPTypes
import Hummingbird
import JSON
import SystemCrypto

/// The endpoints that a machine or an App Service offers to what runs on it (`Upstream-EntraID, Managed identities`). The real
/// ones live on 169.254.169.254 and on a port of the App Service's own; here both are paths of the API listener.
struct ManagedIdentity: SandboxService {
    static let routes: [RouteTable.Route] = [
        .init("GET metadata/identity/oauth2/token", .imds),
        .init("GET msi/token", .appService),
    ]

    let world: World
    let call: Call

    private var isIMDS: Bool { call.operation == .imds }

    static func errorBody(_ words: String) -> String {
        #"{"error":"invalid_request","error_description":"Refused: \#(words)"}"#
    }

    func answer() -> Response { isIMDS ? imds() : appService() }

    private func imds() -> Response {
        guard call.headers[.metadata]?.lowercased() == "true" else {
            return refusal(.badRequest, "bad_request_102", "Required metadata header not specified")
        }
        for name in ["api-version", "resource"] where call.query[name] == nil {
            return refusal(.badRequest, "invalid_request", "Required query variable '\(name)' is missing")
        }
        guard isAssigned(["client_id", "object_id", "msi_res_id"]) else { return identityNotFound }
        guard let resource = resource else {
            return refusal(
                .badRequest,
                "invalid_resource",
                "AADSTS500011: The resource principal named \(call.query["resource"] ?? "") was not found in the tenant."
            )
        }
        let (token, lifetime) = world.issueToken(for: resource, scopes: nil, by: .imds, at: call.now)
        let now = call.now.milliseconds / 1000
        return .json(
            .ok,
            [
                "access_token": .string(token), "refresh_token": "", "expires_in": .string(String(lifetime)),
                "expires_on": .string(String(now + lifetime)), "not_before": .string(String(now)),
                "resource": .string(call.query["resource"] ?? ""), "token_type": "Bearer",
            ]
        )
    }

    private func appService() -> Response {
        let header = call.headers[.identityHeader] ?? ""
        guard constantTimeEquals(Array(header.utf8), Array(SandboxSeed.identityHeader.utf8)) else {
            return .json(.unauthorized, ["statusCode": 401, "message": "The identity header is missing or wrong."])
        }
        guard call.query["api-version"] == "2019-08-01",
            isAssigned(["client_id", "principal_id", "object_id", "mi_res_id"]), let resource = resource
        else { return identityNotFound }
        let (token, lifetime) = world.issueToken(for: resource, scopes: nil, by: .appService, at: call.now)
        let end = call.now.milliseconds / 1000 + lifetime
        return .json(
            .ok,
            [
                "access_token": .string(token), "expires_on": .string(String(end)),
                "resource": .string(call.query["resource"] ?? ""), "token_type": "Bearer",
                "client_id": .string(SandboxSeed.managedIdentityClientID),
            ]
        )
    }

    /// No identity, or not the one that was asked for. App Service gives no reasons.
    var identityNotFound: Response {
        isIMDS
            ? refusal(.badRequest, "invalid_request", "Identity not found")
            : .json(.internalServerError, ["statusCode": 500, "message": "error content is undefined"])
    }

    var throttled: Response {
        isIMDS
            ? refusal(.tooManyRequests, "too_many_requests", "Too many requests")
            : .json(.tooManyRequests, ["statusCode": 429, "message": "Too many requests"])
    }

    /// One identity is assigned, which may be named or left out.
    private func isAssigned(_ names: [String]) -> Bool {
        let known = [
            SandboxSeed.managedIdentityClientID, SandboxSeed.managedIdentityObjectID,
            SandboxSeed.managedIdentityResourceID,
        ]
        return names.compactMap { call.query[$0] }
            .allSatisfy { name in known.contains { $0.lowercased() == name.lowercased() } }
    }

    /// A resource, not a scope: with or without the slash at its end.
    private var resource: TokenBook.Audience? {
        let text = call.query["resource"] ?? ""
        return TokenBook.Audience(known: text.hasSuffix("/") ? String(text.dropLast()) : text)
    }

    private func refusal(_ status: HTTPResponse.Status, _ error: String, _ description: String) -> Response {
        .json(status, ["error": .string(error), "error_description": .string(description)])
    }
}

extension Operation {
    static let imds = Operation("managed-identity.imds", .token)
    static let appService = Operation("managed-identity.appService", .token)
}
