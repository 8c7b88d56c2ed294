public import Exports

/// How an application proves to Entra ID who it is: one case for each kind of proof.
///
/// The v2 token endpoint takes every kind as form parameters, so a further kind (a certificate's assertion, a
/// federated token) is a further case here and nothing else (`powerbi-entra.md` B1).
public enum EntraCredential: Sendable {
    /// The application's client secret: its value, not its id.
    case clientSecret(Secret)

    /// The parameters that carry the proof.
    func parameters() -> [(name: String, value: Secret)] {
        switch self {
        case .clientSecret(let secret): [("client_secret", secret)]
        }
    }
}
