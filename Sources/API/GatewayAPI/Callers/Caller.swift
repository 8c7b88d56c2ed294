import Exports
import JSON

/// Who calls, as far as it was proved.
public struct Caller: Sendable, Hashable {
    /// How a caller proved who it is.
    public enum Kind: String, Sendable, Hashable {
        /// Nobody has to, because the gateway has no credentials configured.
        case anonymous
        case apiKey
        /// A TLS client certificate.
        case certificate
        /// A person, by an access token that a client got on the person's behalf.
        case user
        /// An application, by an access token of its own.
        case application
    }

    /// Stable for ever, and never a name that somebody can take over: the key's or the certificate's configured id, or tenant
    /// and object id (`user:<tid>:<oid>`), or tenant and application id (`app:<tid>:<appid>`). Owner of the exports it
    /// creates (`createdBy`), and in the access log and every delivery.
    public var id: String
    public var kind: Kind
    public var permissions: Permissions

    /// Names a caller.
    public init(id: String, kind: Kind, permissions: Permissions) {
        self.id = id
        self.kind = kind
        self.permissions = permissions
    }

    /// Everybody, where no credentials are configured: may do everything.
    static let anonymous = Caller(id: "anonymous", kind: .anonymous, permissions: .everything)

    /// Whose exports it gets to see; nil for everybody's.
    var owner: String? { permissions.allow(.readAll) ? nil : id }

    /// Throws `forbidden`, naming the permission, where it is not granted.
    func require(_ permission: Permission) throws(GatewayError) {
        guard permissions.allow(permission) else { throw .missing(permission.description) }
    }
}

extension Caller {
    /// The connections of a provider that it may create exports on.
    func usable(of provider: ConfiguredProvider) -> [String] {
        provider.connections.filter { permissions.allow(.useConnection($0)) }
    }

    /// The connection that it creates an export on; nil leaves the choice to the service, which knows them all.
    ///
    /// Throws `forbidden` for a connection that it may not use, whether there is one of that name or not, and
    /// `invalidExport` where one of several has to be named. Names none but those it may use.
    func connection(_ wanted: String?, of provider: ConfiguredProvider) throws(GatewayError) -> String? {
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
            members: ["permission": .string(permission)],
            challenge: BearerChallenge(.insufficientScope, scope: permission)
        )
    }
}
