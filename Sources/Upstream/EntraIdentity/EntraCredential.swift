import Exports
import UpstreamHTTP

/// How an application signs in to Entra ID: one case for each kind of credential.
///
/// The v2 token endpoint accepts every kind as form parameters, so a further kind needs only a further case here
/// (`Upstream-EntraID, Token endpoint`).
public enum EntraCredential: Sendable {
    /// The application's client secret: its value, not its id.
    case clientSecret(SecretSource)
    /// A certificate that is registered with the application.
    case certificate(CertificateCredential)
    /// A token of another issuer, in a file that somebody renews: workload identity federation.
    case federatedToken(FederatedTokenFile)

    /// The form parameters of the credential, made for one request to `audience`, the address of the token endpoint.
    ///
    /// Throws `unauthenticated` when the credential cannot be used: a certificate has expired, or a file is missing.
    func parameters(
        audience: String,
        clientID: String
    ) async throws(ProviderError) -> [FormField] {
        switch self {
        case .clientSecret(let secret): [FormField("client_secret", secret.current())]
        case .certificate(let certificate):
            Self.assertion(try await certificate.assertion(audience: audience, clientID: clientID))
        case .federatedToken(let file): Self.assertion(try file.read())
        }
    }

    private static func assertion(_ assertion: Secret) -> [FormField] {
        [
            FormField("client_assertion_type", open: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            FormField("client_assertion", assertion),
        ]
    }
}
