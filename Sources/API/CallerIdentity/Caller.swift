public import Exports
import JSON

/// An authenticated caller.
public struct Caller: Sendable, Hashable {
    /// How a caller proved who it is.
    public enum Kind: String, Sendable, Hashable {
        /// Without a credential, because the gateway has none configured.
        case anonymous
        case apiKey
        /// A TLS client certificate.
        case certificate
        /// A person, by an access token that a client got on the person's behalf.
        case user
        /// An application, by an access token of its own.
        case application
    }

    /// A permanent id, never a name that another caller could take over: the configured id of the key or the certificate, or
    /// tenant and object id (`user:<tid>:<oid>`), or tenant and application id (`app:<tid>:<appid>`). It is the owner of the
    /// exports that the caller creates (`createdBy`), and is in the access log and in every delivery.
    public var id: String
    public var kind: Kind
    public var permissions: Permissions
    /// When the access token ends that it came with; nil for other credentials.
    public var tokenEnd: Timestamp?

    /// Names a caller.
    public init(id: String, kind: Kind, permissions: Permissions, tokenEnd: Timestamp? = nil) {
        self.id = id
        self.kind = kind
        self.permissions = permissions
        self.tokenEnd = tokenEnd
    }

    /// The caller where no credentials are configured: may do everything but read the audit trail.
    public static let anonymous = Caller(id: Viewer.anonymousID, kind: .anonymous, permissions: .anonymous)

    /// Throws `forbidden`, naming the permission, where it is not granted.
    public func require(_ permission: Permission) throws(GatewayError) {
        guard permissions.allow(permission) else { throw .missing(permission.description) }
    }
}

extension Caller {
    /// The connections of a provider that it may create exports on.
    public func usable(of provider: ConfiguredProvider) -> [String] {
        provider.connections.filter { permissions.allow(.useConnection($0)) }
    }

    /// The connection that the caller creates an export on; nil leaves the choice to the service, which knows them all.
    ///
    /// Throws `forbidden` for a connection that the caller may not use, whether it exists or not, and `invalidExport` where one
    /// of several has to be named. The error names only connections that the caller may use.
    public func connection(_ wanted: String?, of provider: ConfiguredProvider) throws(GatewayError) -> String? {
        if let wanted { try require(.useConnection(wanted)) }
        if permissions.allow(.useEveryConnection) { return wanted }
        let usable = usable(of: provider)
        let id = provider.descriptor.id
        let fault: String
        if let wanted {
            if usable.contains(wanted) { return wanted }
            fault = "is not a connection of \(id)"
        } else {
            switch usable.count {
            case 0: throw .missing(Permission.useConnection("<name>").description)
            case 1: return usable[0]
            default: fault = "must be named, because \(id) has several: \(usable.joined(separator: ", "))"
            }
        }
        throw GatewayError(
            .invalidExport,
            "The export that is asked for is not valid: see errors.",
            faults: [FieldFault("/connection", fault)]
        )
    }
}

extension GatewayError {
    fileprivate static func missing(_ permission: String) -> GatewayError {
        GatewayError(
            .forbidden,
            "This caller does not have the permission \(permission).",
            members: .permission(permission),
            challenge: BearerChallenge(.insufficientScope, scope: permission)
        )
    }
}
