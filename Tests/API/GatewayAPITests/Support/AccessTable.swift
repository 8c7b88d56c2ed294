import CallerIdentity
import Exports
import HTTPTypes
import JSON
import ManualClock
import NIOCore
import SystemCrypto
import TestTokens

@testable import GatewayAPI

/// A client, and what the gateway knows of it.
struct Visitor: Sendable {
    var name: String
    /// The lines of `Authorization`.
    var credentials: [String]
    /// Nil for whom the gateway must not let in.
    var permissions: Permissions?
    /// Whether the export of the table is theirs.
    var isOwner = false
    /// Whose export the table is about.
    var owner = "owner"
    /// Whether they come to a gateway without credentials configured.
    var needsNoCredential = false
    /// The gateway's end of their connection; nil for one without TLS.
    var channel: (any Channel)?
    /// What the gateway's clock shows when they come.
    var now = ManualTime().now()

    var seesTheExport: Bool { isOwner || permissions?.allow(.readAll) == true }
}

extension Visitor {
    /// What must become of a call, before it is looked at what was asked.
    enum Outcome: Sendable, Hashable {
        case unauthenticated, forbidden
        /// As if the export did not exist.
        case hidden
        case served
    }

    func outcome(of route: Route) -> Outcome {
        guard route.needsCaller else { return .served }
        guard let permissions else { return .unauthenticated }
        if let permission = route.permission, !permissions.allow(permission) { return .forbidden }
        if route.operation == .createExport {
            return permissions.allow(.useConnection("contoso")) ? .served : .forbidden
        }
        if route.permission == .manageWebhooks, !permissions.allow(.read) { return .forbidden }
        let isOfOne = route.pattern.hasPrefix("/exports/{id}") || route.pattern.hasPrefix("/webhooks/{webhookId}")
        return isOfOne && !seesTheExport ? .hidden : .served
    }

    /// Everybody who comes with an API key, or with nothing.
    static let keyHolders: [Visitor] = {
        func holder(_ name: String, _ permissions: Permissions?, isOwner: Bool = false) -> Visitor {
            Visitor(name: name, credentials: ["Bearer key-of-\(name)"], permissions: permissions, isOwner: isOwner)
        }
        let own: [Permission] = [.create, .read, .download, .cancel, .manageWebhooks, .useEveryConnection]
        func allBut(_ permission: Permission) -> Permissions { Permissions(own.filter { $0 != permission }) }
        return [
            Visitor(name: "nobody", credentials: []),
            Visitor(name: "wrong key", credentials: ["Bearer not-a-key"]),
            Visitor(name: "the owner's id as the key", credentials: ["Bearer owner"]),
            Visitor(name: "another scheme", credentials: ["Basic key-of-owner"]),
            Visitor(name: "no scheme", credentials: ["key-of-owner"]),
            Visitor(name: "two credentials", credentials: ["Bearer key-of-owner", "Bearer key-of-owner"]),
            Visitor(name: "half a key", credentials: ["Bearer key-of-owne"]),
            holder("owner", .ownExports, isOwner: true),
            holder("other", .ownExports),
            holder("powerless", Permissions([])),
            holder("no-create", allBut(.create)), holder("no-read", allBut(.read)),
            holder("no-download", allBut(.download)), holder("no-cancel", allBut(.cancel)),
            holder("no-webhooks", allBut(.manageWebhooks)),
            holder("webhooks-only", Permissions([.manageWebhooks])),
            holder("auditor-with-webhooks", Permissions([.readAll, .manageWebhooks])),
            holder("no-connection", allBut(.useEveryConnection)),
            holder("other-connection", Permissions([.create, .read, .useConnection("fabrikam")])),
            holder("this-connection", Permissions([.create, .read, .useConnection("contoso")])),
            holder("auditor", Permissions([.readAll])),
            holder("downloading-auditor", Permissions([.readAll, .download])),
            holder("resolver", Permissions([.resolve])),
            holder("resolving-auditor", Permissions([.readAll, .resolve])),
            holder("retaining-auditor", Permissions([.readAll, .retain])), holder("purger", Permissions([.purge])),
            holder("audit-reader", Permissions([.readAudit])),
            holder("administrator", .everything),
            Visitor(
                name: "anonymous",
                credentials: [],
                permissions: Permissions(Permission.names.compactMap { Permission($0) }.filter { $0 != .readAudit }),
                needsNoCredential: true
            ),
        ]
    }()

    /// Everybody who comes with an access token.
    static func tokenHolders() throws -> [Visitor] {
        let (tenant, user) = (TestAuthority.tenantID, TokenDraft.userID)
        let own = "Exports.Create Exports.Read Exports.Download Exports.Cancel Webhooks.Manage Connections.Use:*"
        let roles = own.split(separator: " ").map(String.init)
        let now = TokenDraft.now
        func holder(
            _ name: String,
            _ draft: TokenDraft,
            _ permissions: Permissions?,
            owner: String? = nil,
            isOwner: Bool = false
        ) throws -> Visitor {
            Visitor(
                name: name,
                credentials: ["Bearer \(try draft.signed())"],
                permissions: permissions,
                isOwner: isOwner,
                owner: owner ?? "user:\(tenant):\(user)"
            )
        }
        func auditor(_ name: String, _ scopes: String, _ permissions: Permissions) throws -> Visitor {
            try holder(name, .user(scopes).with("oid", .string(tenant)), permissions)
        }
        let expired = TokenDraft.user(own).with("nbf", .integer(now - 7200)).with("exp", .integer(now - 3600))
        let elsewhere = TokenDraft.user(own).with("tid", .string(TestAuthority.otherTenantID))
        let application = "app:\(tenant):\(TokenDraft.applicationID)"
        return try [
            holder("expired token", expired, nil),
            holder("token of another tenant", elsewhere, nil),
            holder("token for another audience", .user(own).with("aud", "another"), nil),
            holder("token without scopes", .user(own).with("scp", nil), nil),
            holder("token of another key", .user(own).withHeader("kid", "key-2"), nil),
            holder("application without roles", .application([]), nil),
            holder("owning user", .user(own), .ownExports, isOwner: true),
            holder("owning application", .application(roles), .ownExports, owner: application, isOwner: true),
            holder("other user", .user(own).with("oid", .string(tenant)), .ownExports),
            holder("application with the owner's client", .application(roles), .ownExports),
            holder("user with the owner's client", .user(own), .ownExports, owner: application),
            holder("user and the key holder's export", .user(own), .ownExports, owner: "owner"),
            holder("user with scopes of others", .user("openid User.Read"), Permissions([])),
            holder("reading user", .user("Exports.Read").with("oid", .string(tenant)), Permissions([.read])),
            auditor("auditing user", "Exports.ReadAll", Permissions([.readAll])),
            auditor("downloading user", "Exports.ReadAll Exports.Download", Permissions([.readAll, .download])),
            auditor(
                "administrating user",
                own + " Exports.ReadAll Exports.Resolve Exports.Purge Exports.Retain Audit.Read",
                .everything
            ),
            auditor("resolving user", "Exports.ReadAll Exports.Resolve", Permissions([.readAll, .resolve])),
            holder("auditing application", .application(["Exports.ReadAll"]), Permissions([.readAll])),
        ]
    }

    /// The keys of those who have one.
    static var keys: [APIKey] {
        keyHolders.compactMap { visitor in
            guard let permissions = visitor.permissions, let line = visitor.credentials.first else { return nil }
            return APIKey(
                id: visitor.name,
                sha256: SHA256.hash(Array(line.dropFirst(7).utf8)),
                permissions: permissions
            )
        }
    }
}
