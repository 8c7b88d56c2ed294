import EntraIdentity
import Exports
import SystemCrypto
import UpstreamHTTP
import Yams

/// Who the gateway is on a connection.
enum CredentialConfiguration: Sendable {
    /// Each caller brings its own upstream token.
    case passThrough
    case application(ApplicationConfiguration)
    case managedIdentity(ManagedIdentity)

    /// Whether users' refresh tokens are kept as long as their exports run.
    var keepsRefreshTokens: Bool {
        guard case .application(let application) = self else { return false }
        return application.keepsRefreshTokens
    }

    /// Whether nothing can be done without a token of the caller's.
    var needsCallerToken: Bool {
        switch self {
        case .passThrough: true
        case .application(let application): application.onBehalfOf
        case .managedIdentity: false
        }
    }
}

/// An application that is registered in a tenant.
struct ApplicationConfiguration: Sendable {
    /// How it proves who it is.
    enum Proof: Sendable {
        case clientSecret(SecretSource)
        case certificate(CertificateCredential.Settings, names: CertificateKeyNames)
        case federatedToken(path: String, name: String)
    }

    var authority: UpstreamURL
    var tenantID: String
    var clientID: String
    var proof: Proof
    /// Whether callers' tokens are exchanged, in place of tokens in the application's own name.
    var onBehalfOf = false
    /// Whether refresh tokens are asked for with it, and kept as long as their export runs.
    var keepsRefreshTokens = false
}

/// What the parts of a certificate are called where the operator set them.
struct CertificateKeyNames: Sendable {
    var key: String
    var certificates: String
    var passphrase: String

    /// The operator's mistake behind `error`.
    func startupError(_ error: KeyMaterialError) -> StartupError {
        let name =
            switch error.part {
            case .key: key
            case .certificates: certificates
            case .passphrase: passphrase
            }
        let date = error.date.map { " (\(Timestamp(milliseconds: $0 * 1000)))" } ?? ""
        return StartupError(name, "\(error)\(date)")
    }
}

extension CredentialConfiguration {
    private enum Kind: String, CaseIterable {
        case clientSecret, certificate, federatedToken, managedIdentity, environment, passThrough
    }

    /// Reads a connection's `credential`: a mapping with a `type`, or the one word `environment`.
    init(
        _ node: Node?,
        path: String,
        _ environment: OperatorEnvironment,
        cloud: NationalCloud,
        allowPlainHTTP: Bool
    ) throws(StartupError) {
        guard let node else { throw StartupError(path, "is required") }
        if node.string == Kind.environment.rawValue {
            let variables = EnvironmentCredential(environment, path: path, cloud: cloud, allowPlainHTTP: allowPlainHTTP)
            self = try variables.credential()
            return
        }
        var section = try ConfigurationSection(node, path: path, environment: environment)
        switch try section.choice("type", Kind.self, default: nil) {
        case .passThrough: self = .passThrough
        case .managedIdentity: self = .managedIdentity(try ManagedIdentity(&section))
        case .environment:
            let variables = EnvironmentCredential(environment, path: path, cloud: cloud, allowPlainHTTP: allowPlainHTTP)
            var credential = try variables.credential()
            if case .application(var application) = credential {
                try application.readUsers(&section)
                credential = .application(application)
            } else if try section.bool("onBehalfOf", default: false) {
                throw section.error("onBehalfOf", "needs an application: a managed identity cannot exchange tokens")
            }
            self = credential
        case .clientSecret:
            var application = try ApplicationConfiguration(&section, cloud, allowPlainHTTP) {
                section throws(StartupError) in
                guard let secret = try section.secretSource("clientSecret") else {
                    throw section.error("clientSecret", "is required: env:NAME or file:/path")
                }
                return .clientSecret(secret)
            }
            try application.readUsers(&section)
            self = .application(application)
        case .certificate:
            var application = try ApplicationConfiguration(&section, cloud, allowPlainHTTP) {
                section throws(StartupError) in
                try Self.certificate(&section)
            }
            try application.readUsers(&section)
            self = .application(application)
        case .federatedToken:
            var application = try ApplicationConfiguration(&section, cloud, allowPlainHTTP) {
                section throws(StartupError) in
                .federatedToken(path: try section.requiredFile("tokenFile"), name: section.key("tokenFile"))
            }
            try application.readUsers(&section)
            self = .application(application)
        }
        try section.finish()
    }

    /// Whether a key's URI has its token's PIN in it (RFC 7512, 2.4).
    static func holdsPIN(_ uri: String) -> Bool { uri.lowercased().contains("pin-value=") }

    private static func certificate(_ section: inout ConfigurationSection) throws(StartupError)
        -> ApplicationConfiguration.Proof
    {
        let certificate = try section.requiredFile("certificate")
        let key = try section.file("key")
        for (name, value) in [("certificate", certificate), ("key", key ?? "")] where holdsPIN(value) {
            throw section.error(name, "must not hold the PIN: give it as passphrase, by reference")
        }
        // Modules count wrong PINs and lock after some. So a changed PIN is used only after the next start.
        let isModule = KeyMaterial.isInModule(key ?? certificate)
        let settings = CertificateCredential.Settings(
            key: key ?? certificate,
            certificate: key == nil ? nil : certificate,
            passphrase: isModule
                ? try section.secret("passphrase").map { SecretSource($0) } : try section.secretSource("passphrase"),
            algorithm: try section.choice("algorithm", SignatureAlgorithm.self, default: .ps256),
            sendsChain: try section.bool("sendChain", default: false)
        )
        return .certificate(
            settings,
            names: CertificateKeyNames(
                key: section.key(key == nil ? "certificate" : "key"),
                certificates: section.key("certificate"),
                passphrase: section.key("passphrase")
            )
        )
    }
}

extension ApplicationConfiguration {
    fileprivate init(
        _ section: inout ConfigurationSection,
        _ cloud: NationalCloud,
        _ allowPlainHTTP: Bool,
        proof: (inout ConfigurationSection) throws(StartupError) -> Proof
    ) throws(StartupError) {
        tenantID = try section.requiredText("tenantId")
        guard Self.isTenant(tenantID) else {
            throw section.error("tenantId", "must be the tenant's id or a verified domain")
        }
        clientID = try section.requiredText("clientId")
        guard UUIDText.isValid(clientID) else {
            throw section.error("clientId", "must be the application's id, a UUID")
        }
        authority = try section.url("authority", default: cloud.authority, allowPlainHTTP: allowPlainHTTP)
        self.proof = try proof(&section)
    }

    /// Reads what users' tokens are used for: `onBehalfOf` and `keepRefreshTokens`.
    fileprivate mutating func readUsers(_ section: inout ConfigurationSection) throws(StartupError) {
        onBehalfOf = try section.bool("onBehalfOf", default: false)
        keepsRefreshTokens = try section.bool("keepRefreshTokens", default: false)
        guard onBehalfOf || !keepsRefreshTokens else {
            throw section.error("keepRefreshTokens", "needs onBehalfOf: true beside it: only users have refresh tokens")
        }
    }

    /// A tenant's id or domain; not one of the words that stand for any tenant.
    static func isTenant(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(\.isNameByte)
            && !["common", "organizations", "consumers"].contains(text.lowercased())
    }
}

extension ManagedIdentity {
    fileprivate init(_ section: inout ConfigurationSection) throws(StartupError) {
        let names = ["clientId", "objectId", "resourceId"]
        var identities: [Identity] = []
        for name in names {
            guard let id = try section.text(name) else { continue }
            guard name == "resourceId" ? id.hasPrefix("/") : UUIDText.isValid(id) else {
                throw section.error(name, name == "resourceId" ? "must be an Azure resource id" : "must be a UUID")
            }
            identities.append(
                name == "clientId" ? .clientID(id) : name == "objectId" ? .objectID(id) : .resourceID(id)
            )
            guard identities.count == 1 else {
                throw section.error(name, "names a second identity: give one of \(names.joined(separator: ", "))")
            }
        }
        let host: Host
        if let endpoint = try section.text("endpoint") {
            guard let url = UpstreamURL(endpoint), url.query == nil else {
                throw section.error("endpoint", "must be a URL such as \(ManagedIdentity.metadataAddress)")
            }
            host = .metadata(url)
        } else {
            host = try ManagedIdentityVariables(section.environment, path: section.path).host()
        }
        self.init(host: host, identity: identities.first ?? .systemAssigned)
    }
}
