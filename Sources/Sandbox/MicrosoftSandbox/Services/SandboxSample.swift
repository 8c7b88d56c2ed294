public import JSON

/// An export of a service, as a gateway in front of the sandbox is asked for it, and what its connection needs for that.
public struct SandboxSample: Sendable {
    /// One of each service that runs exports.
    public static let all = Services.all.compactMap { $0.sample }

    /// The gateway's provider for the service.
    public var provider: String
    /// What a connection to the service may be called.
    public var connection: String
    /// The keys of that connection that list hosts, besides those that every connection to the sandbox has.
    public var hosts: @Sendable (SandboxAddresses) -> KeyValuePairs<String, String>
    /// The token of a user, where the service takes no other.
    public var userToken: String?
    /// The body of the create request.
    public var body: JSONValue
    /// Whether its file is worth compressing.
    public var compresses: Bool

    init(
        provider: String,
        connection: String,
        hosts: @escaping @Sendable (SandboxAddresses) -> KeyValuePairs<String, String> = { _ in [:] },
        userToken: String? = nil,
        body: JSONValue,
        compresses: Bool = false
    ) {
        self.provider = provider
        self.connection = connection
        self.hosts = hosts
        self.userToken = userToken
        self.body = body
        self.compresses = compresses
    }
}
