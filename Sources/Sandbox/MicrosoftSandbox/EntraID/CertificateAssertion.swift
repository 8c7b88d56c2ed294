import Exports
import JSON
import SystemCrypto

/// A token that the application signed with the key of a registered certificate (`Upstream-EntraID, Client assertion`).
///
/// Checked in this order: algorithm, thumbprint, the certificate's dates, signature, `aud`, `iss` and `sub`, `nbf` and
/// `exp`, `jti`. Entra itself takes one assertion more than once, and MSAL counts on it; this stand-in does so only where
/// its settings say so, because who signs again each time has no reason to repeat an id.
struct CertificateAssertion {
    let world: World
    let call: Call
    let token: CompactToken

    /// azure-identity asks for half an hour, longer than any other client.
    private static let longest = Duration.seconds(3600)

    /// Whether the header tells a certificate, as only assertions of the application's own do.
    static func namesCertificate(_ token: CompactToken) -> Bool {
        ["x5t#S256", "x5t", "x5c"].contains { token.header[$0] != nil }
    }

    func check() throws(EntraProblem) {
        guard let algorithm = token.header["alg"]?.string.flatMap(SignatureAlgorithm.init(rawValue:)) else {
            throw .malformedToken("The algorithm is not supported; use PS256 or RS256.")
        }
        let certificate = try registeredCertificate()
        try checkDates(of: certificate)
        guard let key = try? certificate.publicKey(),
            key.verifies(token.signature, of: token.signingInput, algorithm)
        else { throw .invalidClient(700_027, "Client assertion contains an invalid signature.") }
        guard token.audiences.contains(where: isTokenEndpoint) else {
            throw .invalidClient(
                700_023,
                "Client assertion audience claim does not match Realm issuer." + documentation
            )
        }
        guard ["iss", "sub"].allSatisfy({ token.claims[$0]?.string?.lowercased() == SandboxSeed.clientID }) else {
            throw .invalidClient(
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter." + documentation
            )
        }
        try token.checkTimes(at: call.now, longest: Self.longest)
        try checkFirstUse()
    }

    private var documentation: String {
        " Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
    }

    /// The registered certificate that every thumbprint in the header is of. That it has the same key as a registered one
    /// is not enough.
    private func registeredCertificate() throws(EntraProblem) -> Certificate {
        guard Self.namesCertificate(token) else {
            throw .malformedToken("No certificate thumbprint specified in token header.")
        }
        let header = token.header
        // MSAL keeps the line ends of the PEM file.
        let chainHead = header["x5c"]
            .map { $0.array?.first?.string.flatMap { Base64Text.decode($0.filter { !$0.isWhitespace }) } }
        let wanted = [header["x5t#S256"], header["x5t"]]
            .map { $0.map { $0.string.flatMap { Base64URL.decode($0, paddingAllowed: true) } } }
        let found = world.registration.certificates.first { certificate in
            (wanted[0].map { $0 == certificate.sha256 } ?? true) && (wanted[1].map { $0 == certificate.sha1 } ?? true)
                && (chainHead.map { $0 == certificate.der } ?? true)
        }
        guard let found else {
            throw .invalidClient(
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application. "
                    + "[Reason - The key was not found.]"
            )
        }
        return found
    }

    private func checkDates(of certificate: Certificate) throws(EntraProblem) {
        let start = Timestamp(milliseconds: certificate.notBefore * 1000)
        let end = Timestamp(milliseconds: certificate.notAfter * 1000)
        guard start <= call.now, call.now <= end else {
            throw .invalidClient(
                700_027,
                "The certificate with identifier used to sign the client assertion is expired on application. "
                    + "[Reason - The key used is expired., Found key 'Start=\(UpstreamTime.text(start)), "
                    + "End=\(UpstreamTime.text(end))']"
            )
        }
    }

    /// Whether an audience is the token endpoint under the name that the caller used.
    private func isTokenEndpoint(_ audience: String) -> Bool {
        let endpoint = "\(world.base(.api, for: call))/\(SandboxSeed.tenantID)/oauth2/v2.0/token"
        return audience.lowercased() == endpoint.lowercased()
    }

    private func checkFirstUse() throws(EntraProblem) {
        guard let id = token.claims["jti"]?.string, !id.isEmpty else {
            throw .malformedToken("The claim 'jti' is missing.")
        }
        guard !world.settings.acceptsRepeatedAssertions, let end = token.time("exp") else { return }
        let isFirst = world.registration.isFirstUse(
            ofAssertion: id,
            until: end + ClientAuthentication.skew,
            at: call.now
        )
        guard isFirst else {
            throw .invalidClient(50_012, "Client assertion was presented before: the claim 'jti' is known.")
        }
    }
}
