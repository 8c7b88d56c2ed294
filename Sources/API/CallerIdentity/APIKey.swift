/// An API key that authenticates a caller.
public struct APIKey: Sendable, Hashable {
    /// The caller's id: `createdBy` of its exports, and in the access log. Never secret. Keys with the same id belong to the same
    /// caller, such as an old key and a new one.
    public var id: String
    /// SHA-256 of the key, 32 bytes: the key itself is not kept.
    public var sha256: [UInt8]
    /// What the caller may do.
    public var permissions: Permissions

    /// Names a key by its digest.
    public init(id: String, sha256: [UInt8], permissions: Permissions = .ownExports) {
        self.id = id
        self.sha256 = sha256
        self.permissions = permissions
    }
}
