/// A permission of a caller, with the name that the configuration, and the roles and scopes of tokens, use for it.
public enum Permission: Sendable, Hashable, CustomStringConvertible {
    case create
    case read
    case download
    case cancel
    /// The other permissions apply to every caller's exports, not only to the caller's own. Includes `read`.
    case readAll
    /// The outcome of an unconfirmed start may be decided. Never implied, because a wrong decision starts a job twice.
    case resolve
    /// Exports that have ended may be deleted. Never implied, because nothing brings them back.
    case purge
    /// Exports may be kept from being deleted, and released. Never implied.
    case retain
    /// Webhooks may be made, changed and deleted; with `read`, because they get events of exports.
    case manageWebhooks
    /// The audit trail may be read: what every caller does. Never implied, not by `readAll` either.
    case readAudit
    /// Exports may be created on this connection.
    case useConnection(String)
    /// Exports may be created on every connection.
    case useEveryConnection

    private static let connectionPrefix = "Connections.Use:"
    private static let plain: [Permission] = [
        .create, .read, .download, .cancel, .readAll, .resolve, .purge, .retain, .manageWebhooks, .readAudit,
        .useEveryConnection,
    ]

    /// All names. `Connections.Use:*` also stands for the name of any connection.
    public static let names = plain.map(\.description)

    /// Reads a name such as `Exports.Create` or `Connections.Use:purview`, letters in the case given; nil for any other text.
    public init?(_ text: some StringProtocol) {
        if let known = Self.plain.first(where: { $0.description == text }) {
            self = known
        } else if text.hasPrefix(Self.connectionPrefix), text.utf8.count > Self.connectionPrefix.utf8.count {
            self = .useConnection(String(text.dropFirst(Self.connectionPrefix.count)))
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .create: "Exports.Create"
        case .read: "Exports.Read"
        case .download: "Exports.Download"
        case .cancel: "Exports.Cancel"
        case .readAll: "Exports.ReadAll"
        case .resolve: "Exports.Resolve"
        case .purge: "Exports.Purge"
        case .retain: "Exports.Retain"
        case .manageWebhooks: "Webhooks.Manage"
        case .readAudit: "Audit.Read"
        case .useConnection(let name): Self.connectionPrefix + name
        case .useEveryConnection: Self.connectionPrefix + "*"
        }
    }
}

/// All permissions of one caller.
public struct Permissions: Sendable, Hashable {
    private let granted: Set<Permission>

    /// Grants these and nothing else.
    public init(_ granted: [Permission]) {
        self.granted = Set(granted)
    }

    /// Grants what any of these grants.
    init(joining all: [Permissions]) {
        granted = all.reduce(into: []) { $0.formUnion($1.granted) }
    }

    /// Everything that a caller can do with its own exports, on every connection. A key whose permissions are not configured has
    /// these.
    public static let ownExports = Permissions([
        .create, .read, .download, .cancel, .manageWebhooks, .useEveryConnection,
    ])

    /// Everything, with every caller's exports.
    public static let everything = Permissions([
        .create, .read, .download, .cancel, .readAll, .resolve, .purge, .retain, .manageWebhooks, .readAudit,
        .useEveryConnection,
    ])

    /// What everybody may do where no credentials are configured: everything but read the audit trail, which shows what others do, and
    /// nobody is known here.
    public static let anonymous = Permissions(Array(everything.granted.subtracting([.readAudit])))

    /// Whether nothing is granted.
    public var isEmpty: Bool { granted.isEmpty }

    /// The connections that are named, in the order of their names.
    public var connections: [String] {
        granted.compactMap { if case .useConnection(let name) = $0 { name } else { nil } }.sorted()
    }

    /// Whether a call that needs `permission` may be made.
    public func allow(_ permission: Permission) -> Bool {
        if granted.contains(permission) { return true }
        return switch permission {
        case .read: granted.contains(.readAll)
        case .useConnection: granted.contains(.useEveryConnection)
        default: false
        }
    }
}
