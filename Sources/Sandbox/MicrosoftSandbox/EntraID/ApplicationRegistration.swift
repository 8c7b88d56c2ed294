import Exports
import Synchronization
import SystemCrypto

/// What the tenant knows about the application: by what it may prove who it is.
final class ApplicationRegistration: Sendable {
    /// Whose tokens stand for the application: issuer, subject and audience exactly as written here
    /// (`Upstream-EntraID, Federated tokens`).
    struct FederatedCredential: Sendable {
        var issuer: String
        var subject: String
        var audience: String
    }

    private struct State {
        var certificates: [Certificate]
        var federated: [FederatedCredential] = []
        /// By issuer and `kid`, as the issuer's own key document would tell them.
        var issuerKeys: [String: [String: PublicKey]] = [:]
        /// The `jti` of each assertion so far, until it could not be used any more.
        var assertions: [String: Timestamp] = [:]
    }

    private let state: Mutex<State>

    init(certificates: [Certificate]) {
        state = Mutex(State(certificates: certificates))
    }

    // MARK: Certificates

    var certificates: [Certificate] { state.withLock { $0.certificates } }

    func register(_ certificate: Certificate) {
        state.withLock { if !$0.certificates.contains(certificate) { $0.certificates.append(certificate) } }
    }

    func removeCertificates() { state.withLock { $0.certificates = [] } }

    // MARK: Federation

    var federatedCredentials: [FederatedCredential] { state.withLock { $0.federated } }

    func register(_ credential: FederatedCredential) { state.withLock { $0.federated.append(credential) } }

    func removeFederatedCredentials() {
        state.withLock {
            $0.federated = []
            $0.issuerKeys = [:]
        }
    }

    /// What the issuer signs with from now on.
    func setKeys(_ keys: [String: PublicKey], of issuer: String) { state.withLock { $0.issuerKeys[issuer] = keys } }

    /// Nil when nobody said: the issuer's document cannot be read.
    func keys(of issuer: String) -> [String: PublicKey]? { state.withLock { $0.issuerKeys[issuer] } }

    // MARK: Assertions

    /// Whether this id is new. It is kept until `end`.
    func isFirstUse(ofAssertion id: String, until end: Timestamp, at now: Timestamp) -> Bool {
        state.withLock {
            $0.assertions = $0.assertions.filter { $0.value > now }
            return $0.assertions.updateValue(end, forKey: id) == nil
        }
    }
}
