import Exports
import UpstreamHTTP

/// How an application proves to Entra ID who it is: one case for each kind of proof.
///
/// The v2 token endpoint takes every kind as form parameters, so a further kind is a further case here and nothing else
/// (`Upstream-EntraID, Token endpoint`).
public enum EntraCredential: Sendable {
    /// The application's client secret: its value, not its id.
    case clientSecret(SecretSource)
    /// A certificate that is registered with the application.
    case certificate(CertificateCredential)
    /// A token of another issuer, in a file that is kept fresh: workload identity federation.
    case federatedToken(FederatedTokenFile)

    /// The parameters that carry the proof, made for one request to `audience`, the token endpoint's own address.
    ///
    /// Throws `unauthenticated` when there is nothing to prove it with: a certificate that has expired, a file that is gone.
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
