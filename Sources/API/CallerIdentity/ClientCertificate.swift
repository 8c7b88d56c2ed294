/// A caller that authenticates with a client certificate.
public struct ClientCertificate: Sendable, Hashable {
    /// What identifies the certificate.
    public enum Mark: Sendable, Hashable {
        /// SHA-256 of its DER form: only this certificate.
        case thumbprint([UInt8])
        /// Its subject as RFC 2253 writes it, such as `CN=reports,O=Contoso`: every certificate that the authority issues to it.
        case subject(String)
    }

    /// The caller's id: `createdBy` of its exports.
    public var id: String
    public var mark: Mark
    public var permissions: Permissions

    /// Maps a certificate to its caller.
    public init(id: String, mark: Mark, permissions: Permissions = .ownExports) {
        self.id = id
        self.mark = mark
        self.permissions = permissions
    }
}
