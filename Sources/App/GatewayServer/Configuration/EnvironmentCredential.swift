import EntraIdentity
import Exports
import UpstreamHTTP

/// A credential from the variables that Microsoft's libraries read (`Upstream-EntraID, Environment variables`), in their order:
/// client secret, certificate, federated token, managed identity.
struct EnvironmentCredential {
    private let environment: OperatorEnvironment
    private let path: String
    private let cloud: NationalCloud
    private let allowPlainHTTP: Bool

    init(_ environment: OperatorEnvironment, path: String, cloud: NationalCloud, allowPlainHTTP: Bool) {
        self.environment = environment
        self.path = path
        self.cloud = cloud
        self.allowPlainHTTP = allowPlainHTTP
    }

    /// The credential. Throws `StartupError` naming the variable that is missing or wrong.
    func credential() throws(StartupError) -> CredentialConfiguration {
        let chosen = try kind()
        if chosen != .managedIdentity, let proof = try proof(chosen) {
            return .application(
                ApplicationConfiguration(
                    authority: try authority(),
                    tenantID: try tenant(),
                    clientID: try clientID(),
                    proof: proof
                )
            )
        }
        if let missing = chosen?.missing {
            throw StartupError(missing, "is not set, and \(path) says environment with AZURE_TOKEN_CREDENTIALS")
        }
        let host = try ManagedIdentityVariables(environment, path: path).host()
        let identity = environment.variable("AZURE_CLIENT_ID") == nil ? nil : try clientID()
        return .managedIdentity(
            ManagedIdentity(host: host, identity: identity.map { .clientID($0) } ?? .systemAssigned)
        )
    }

    /// What `AZURE_TOKEN_CREDENTIALS` narrows the choice to; nil for everything that a server can use.
    private enum Kind: String, CaseIterable {
        case environment = "EnvironmentCredential"
        case workloadIdentity = "WorkloadIdentityCredential"
        case managedIdentity = "ManagedIdentityCredential"

        var missing: String? {
            switch self {
            case .environment: "AZURE_CLIENT_SECRET"
            case .workloadIdentity: "AZURE_FEDERATED_TOKEN_FILE"
            case .managedIdentity: nil
            }
        }
    }

    private func kind() throws(StartupError) -> Kind? {
        let name = "AZURE_TOKEN_CREDENTIALS"
        guard let text = environment.variable(name), text.lowercased() != "prod" else { return nil }
        guard let kind = Kind.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw StartupError(
                name,
                "must be prod, \(Kind.allCases.map(\.rawValue).joined(separator: ", ")): a server has no other credentials"
            )
        }
        return kind
    }

    private func proof(_ kind: Kind?) throws(StartupError) -> ApplicationConfiguration.Proof? {
        if kind != .workloadIdentity {
            if let secret = environment.variable("AZURE_CLIENT_SECRET") {
                return .clientSecret(SecretSource(Secret(secret)))
            }
            if let file = environment.variable("AZURE_CLIENT_CERTIFICATE_PATH") {
                guard !CredentialConfiguration.holdsPIN(file) else {
                    throw StartupError(
                        "AZURE_CLIENT_CERTIFICATE_PATH",
                        "must not hold the PIN: give it as AZURE_CLIENT_CERTIFICATE_PASSWORD"
                    )
                }
                let passphrase = environment.variable("AZURE_CLIENT_CERTIFICATE_PASSWORD").map { Secret($0) }
                let chain = environment.variable("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN")?.lowercased()
                return .certificate(
                    CertificateCredential.Settings(
                        key: file,
                        passphrase: passphrase.map { SecretSource($0) },
                        sendsChain: chain == "1" || chain == "true"
                    ),
                    names: CertificateKeyNames(
                        key: "AZURE_CLIENT_CERTIFICATE_PATH",
                        certificates: "AZURE_CLIENT_CERTIFICATE_PATH",
                        passphrase: "AZURE_CLIENT_CERTIFICATE_PASSWORD"
                    )
                )
            }
        }
        guard kind != .environment, let file = environment.variable("AZURE_FEDERATED_TOKEN_FILE") else { return nil }
        return .federatedToken(path: file, name: "AZURE_FEDERATED_TOKEN_FILE")
    }

    private func required(_ name: String) throws(StartupError) -> String {
        guard let value = environment.variable(name) else {
            throw StartupError(name, "is not set, and \(path) says environment")
        }
        return value
    }

    private func tenant() throws(StartupError) -> String {
        let tenant = try required("AZURE_TENANT_ID")
        guard ApplicationConfiguration.isTenant(tenant) else {
            throw StartupError("AZURE_TENANT_ID", "must be the tenant's id or a verified domain")
        }
        return tenant
    }

    private func clientID() throws(StartupError) -> String {
        let client = try required("AZURE_CLIENT_ID")
        guard UUIDText.isValid(client) else {
            throw StartupError("AZURE_CLIENT_ID", "must be the application's id, a UUID")
        }
        return client
    }

    /// A host or a URL, with or without a slash at its end.
    private func authority() throws(StartupError) -> UpstreamURL {
        let name = "AZURE_AUTHORITY_HOST"
        let text = environment.variable(name) ?? cloud.authority
        guard let url = UpstreamURL(text.contains("://") ? text : "https://" + text), url.query == nil else {
            throw StartupError(name, "must be a host such as login.microsoftonline.com")
        }
        guard url.scheme == .https || allowPlainHTTP else {
            throw StartupError(name, "must be https: secrets go there")
        }
        return url
    }
}

/// Where the platform's variables say that managed identities are asked for their tokens
/// (`Upstream-EntraID, Managed identities`).
struct ManagedIdentityVariables {
    private let environment: OperatorEnvironment
    private let path: String

    init(_ environment: OperatorEnvironment, path: String) {
        self.environment = environment
        self.path = path
    }

    /// App Service where its two variables are, else the metadata service. Throws `StartupError` for platforms whose
    /// services speak otherwise: Service Fabric, Azure Arc, Azure ML and Cloud Shell.
    func host() throws(StartupError) -> ManagedIdentity.Host {
        if environment.variable("IDENTITY_SERVER_THUMBPRINT") != nil { throw unsupported("Service Fabric") }
        if let endpoint = environment.variable("IDENTITY_ENDPOINT") {
            guard let header = environment.variable("IDENTITY_HEADER") else { throw unsupported("Azure Arc") }
            guard let url = UpstreamURL(endpoint), url.query == nil else {
                throw StartupError("IDENTITY_ENDPOINT", "must be a URL, as the platform sets it")
            }
            return .appService(url, header: Secret(header))
        }
        if environment.variable("MSI_ENDPOINT") != nil { throw unsupported("Azure ML or Cloud Shell") }
        guard let base = UpstreamURL(ManagedIdentity.metadataAddress) else { throw unsupported("an unknown platform") }
        return .metadata(base)
    }

    private func unsupported(_ platform: String) -> StartupError {
        StartupError(
            path,
            "the managed identities of \(platform) are not supported; use a certificate or a federated token"
        )
    }
}
