import HTTPFields
import Exports
import HTTPTypes
import JSON
import SystemCrypto

/// Whether the application is who it says, by a secret or by an assertion (`Upstream-EntraID, Token endpoint`).
struct ClientAuthentication {
    let world: World
    let call: Call
    let form: QueryText

    /// Clocks may differ by this much.
    static let skew = Duration.seconds(300)

    /// What the application proved itself by.
    func proof() throws(EntraProblem) -> TokenBook.Proof {
        let credentials = credentials
        guard let client = credentials.client else { throw .missing("client_id") }
        guard client.lowercased() == SandboxSeed.clientID else {
            throw EntraProblem(
                error: "unauthorized_client",
                code: 700_016,
                text: "Application with identifier '\(client)' was not found in the directory "
                    + "'\(SandboxSeed.tenantID)'. This can happen if the application has not been installed by the "
                    + "administrator of the tenant or consented to by any user in the tenant. You may have sent your "
                    + "authentication request to the wrong tenant."
            )
        }
        if let secret = credentials.secret {
            try check(secret: secret)
            return .clientSecret
        }
        guard let assertion = form["client_assertion"] else {
            throw .invalidClient(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            )
        }
        guard form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" else {
            throw .missing("client_assertion_type")
        }
        guard let token = CompactToken(assertion) else { throw .malformedToken("It has not the form of a JWT.") }
        world.tokens.note(secret: assertion)
        let issuer = token.claims["iss"]?.string ?? ""
        let isOwn = issuer.lowercased() == SandboxSeed.clientID
        let isFederated = world.registration.federatedCredentials.contains { $0.issuer == issuer }
        if isOwn || (!isFederated && CertificateAssertion.namesCertificate(token)) {
            try CertificateAssertion(world: world, call: call, token: token).check()
            return .certificate
        }
        try FederatedAssertion(world: world, call: call, token: token).check()
        return .federatedCredential
    }

    /// From the body, or from HTTP Basic with form-encoded halves (RFC 6749, 2.3.1).
    private var credentials: (client: String?, secret: String?) {
        guard form["client_id"] == nil || form["client_secret"] == nil,
            let header = call.headers[.authorization], header.lowercased().hasPrefix("basic "),
            let bytes = Base64Text.decode(String(header.dropFirst(6)))
        else { return (form["client_id"], form["client_secret"]) }
        let halves = String(decoding: bytes, as: UTF8.self)
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            .map { PercentEncoding.decodeLeniently($0, plusIsSpace: true) }
        return (halves.first, halves.count == 2 ? halves[1] : nil)
    }

    private func check(secret: String) throws(EntraProblem) {
        switch secret {
        case SandboxSeed.clientSecret: break
        case SandboxSeed.expiredClientSecret:
            throw .invalidClient(7_000_222, "The provided client secret keys are expired.")
        default: throw .invalidClient(7_000_215, "Invalid client secret is provided.")
        }
    }
}

extension CompactToken {
    /// Throws unless `now` is in the time between `nbf` and `exp`, which may be as long as `longest`.
    func checkTimes(at now: Timestamp, longest: Duration) throws(EntraProblem) {
        let start = time("nbf") ?? Timestamp(milliseconds: 0)
        let end = time("exp") ?? Timestamp(milliseconds: 0)
        let skew = ClientAuthentication.skew
        guard start <= now + skew, now < end + skew, end <= now + longest + skew else {
            throw .invalidClient(
                700_024,
                "Client assertion is not within its valid time range. Current time: \(UpstreamTime.text(now)), "
                    + "assertion valid from \(UpstreamTime.text(start)), expiry time of assertion "
                    + "\(UpstreamTime.text(end)). Review the documentation at "
                    + "https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
            )
        }
    }
}
