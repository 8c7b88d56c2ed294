import CallerIdentity
public import Exports
import GatewayAPI
import SystemCrypto
import Yams

extension GatewayConfiguration.Server {
    private enum Presence: String, CaseIterable {
        case optional, required
    }

    /// Reads `server.tls`; nil where it is left out. No caller in it may have one of the ids that are `taken`. Adds the callers'
    /// weights to `weights`.
    static func tls(
        _ node: Node?,
        besides taken: [String],
        weights: inout [String: Int],
        _ environment: OperatorEnvironment
    ) throws(StartupError) -> (TLSSettings?, [ClientCertificate]) {
        guard node != nil else { return (nil, []) }
        var section = try ConfigurationSection(node, path: "server.tls", environment: environment)
        var settings = TLSSettings(
            certificateFile: try section.requiredFile("certificate"),
            keyFile: try section.requiredFile("key")
        )
        settings.minimumVersion = try section.choice(
            "minimumVersion",
            TLSSettings.Version.self,
            default: settings.minimumVersion
        )
        settings.clientAuthorityFile = try section.file("clientAuthority")
        let presence = try section.choice("clientCertificates", Presence.self, default: .optional)
        settings.requiresClientCertificate = presence == .required
        var callers: [ClientCertificate] = []
        for var caller in try section.sections("callers") {
            let id = try caller.callerID(besides: taken + callers.map(\.id))
            let (mark, markKey): (ClientCertificate.Mark, String)
            switch (try caller.text("sha256"), try caller.text("subject")) {
            case (let digest?, nil):
                // With colons, as `openssl x509 -fingerprint -sha256` prints it, or without.
                guard let bytes = Hexadecimal.decode(digest.replacing(":", with: "")), bytes.count == SHA256.byteCount
                else {
                    throw caller.error("sha256", "must be the certificate's SHA-256 thumbprint, 64 hexadecimal digits")
                }
                (mark, markKey) = (.thumbprint(bytes), "sha256")
            case (nil, let subject?):
                if let form = CertificateSubject.refusal(of: subject) { throw caller.error("subject", form) }
                (mark, markKey) = (.subject(subject), "subject")
            default: throw caller.error("sha256", "is required, or subject in its place")
            }
            guard !callers.contains(where: { $0.mark == mark }) else {
                throw caller.error(markKey, "is another caller's too; a certificate is one caller's")
            }
            let permissions = try caller.permissions("permissions", default: .ownExports)
            weights[id] = try caller.weight()
            try caller.finish()
            callers.append(ClientCertificate(id: id, mark: mark, permissions: permissions))
        }
        try section.finish()
        guard settings.clientAuthorityFile != nil || (callers.isEmpty && presence == .optional) else {
            throw section.error("clientAuthority", "is required: whose client certificates are taken")
        }
        return (settings, callers)
    }
}

extension GatewayConfiguration {
    /// Reads the files of `server.tls`, as the start does: until when the certificate is good, nil without TLS.
    ///
    /// Throws `StartupError` naming the key whose file cannot be used.
    public func checkTLS(at now: Timestamp = SystemTime().now()) throws(StartupError) -> Timestamp? {
        guard let settings = server.tls else { return nil }
        return try TLSIdentity(settings, at: now).expiresAt
    }
}
