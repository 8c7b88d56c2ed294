import Exports
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://api.example/.default")

extension EntraFailure {
    fileprivate static func error(
        from response: UpstreamResponse,
        to kind: TokenRequestKind = .clientCredentials,
        authorizationURI: String = ""
    ) -> ProviderError {
        error(from: response, to: kind, scope: scope, clientID: "client-id", authorizationURI: authorizationURI)
    }
}

@Suite struct EntraFailureTests {
    @Test(arguments: [
        (
            401, "entra-error-401-bad-secret", "AADSTS7000215", "client secret is wrong",
            "AADSTS7000215: Invalid client secret is provided."
        ),
        (
            401, "entra-error-401-expired-secret", "AADSTS7000222", "client secret has expired",
            "AADSTS7000222: The provided client secret keys are expired."
        ),
        (
            401, "entra-error-401-cert-not-registered", "AADSTS700027", "not registered with the application",
            "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on "
                + "application. [Reason - The key was not found.]"
        ),
        (
            400, "entra-error-400-app-not-found", "AADSTS700016", "client id is not known",
            "AADSTS700016: Application with identifier '***' was not found in the directory '***'. This can happen if "
                + "the application has not been installed by the administrator of the tenant or consented to by any "
                + "user in the tenant. You may have sent your authentication request to the wrong tenant."
        ),
        (
            400, "entra-error-400-invalid-scope", "AADSTS70011", "ends in /.default",
            "AADSTS70011: The provided value for the input parameter 'scope' is not valid. The scope "
                + "https://foo.microsoft.com/.default is not valid."
        ),
        (
            400, "entra-error-400-external-oidc", "AADSTS90061", "cannot read the OpenID configuration",
            "AADSTS90061: Request to External OIDC endpoint failed."
        ),
        (400, "entra-imds-400-identity-not-found", "invalid_request", "See upstream", "Identity not found"),
    ])
    func aRefusalIsExplained(_ status: Int, _ fixture: String, _ code: String, _ hint: String, _ message: String) throws
    {
        let error = EntraFailure.error(from: try Fixture.response(status, fixture))
        #expect(error.code == .unauthenticated)
        #expect(error.problem == .upstreamUnauthenticated)
        #expect(error.detail.contains(hint))
        #expect(error.upstream?.status == status)
        #expect(error.upstream?.code == code)
        #expect(error.upstream?.message == message)
    }

    @Test(arguments: ["entra-error-400-federation-no-match"])
    func theCodeOfAFederationThatDoesNotMatchHasAHint(_ fixture: String) throws {
        let error = EntraFailure.error(from: try Fixture.response(400, fixture))
        #expect(error.code == .unauthenticated)
        #expect(error.detail.contains("letter for letter"))
    }

    /// Whoever asks, consent is the administrator's to give.
    @Test(arguments: [TokenRequestKind.clientCredentials, .onBehalfOf(Secret("user"))])
    func missingConsentSaysWhoMustGrantIt(_ kind: TokenRequestKind) throws {
        let error = EntraFailure.error(
            from: try Fixture.response(400, "entra-error-400-obo-consent-required"),
            to: kind
        )
        #expect(error.code == .forbidden)
        #expect(error.problem == .upstreamConsentRequired)
        #expect(!error.isRetryable)
        #expect(error.detail.contains("administrator"))
        #expect(error.detail.contains("client id client-id,"))
        #expect(error.detail.contains("for the scope https://api.example/.default."))
        #expect(error.upstream?.code == "AADSTS65001")
    }

    @Test func aChallengeGoesBackToTheCaller() throws {
        let response = try Fixture.response(400, "entra-error-400-obo-interaction-required")
        let error = EntraFailure.error(
            from: response,
            to: .onBehalfOf(Secret("user")),
            authorizationURI: "https://login.example/t/oauth2/v2.0/authorize"
        )
        #expect(error.code == .unauthenticated)
        #expect(error.problem == .upstreamClaimsRequired)
        #expect(!error.isRetryable)
        let challenge = try #require(error.challenge)
        #expect(challenge.authorizationURI == "https://login.example/t/oauth2/v2.0/authorize")
        #expect(
            challenge.claims
                == #"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#
        )
        let shown = GatewayError(error)
        #expect(shown.code == .upstreamClaimsRequired)
        #expect(shown.challenge?.claims == challenge.encodedClaims)
        #expect(shown.challenge?.authorizationURI == challenge.authorizationURI)
        // An application has nobody who could sign in.
        #expect(EntraFailure.error(from: response).challenge == nil)
    }

    @Test(
        arguments: [
            (400, "invalid_grant", 500_133, .unauthenticated, .upstreamAuthorizationRequired),
            (400, "invalid_grant", 50_013, .unauthenticated, .upstreamAuthorizationRequired),
            (400, "interaction_required", 50_076, .unauthenticated, .upstreamAuthorizationRequired),
            (400, "invalid_grant", 500_131, .unauthenticated, .upstreamAuthorizationRequired),
            (400, "invalid_request", 50_027, .unauthenticated, .upstreamAuthorizationRequired),
            (400, "unauthorized_client", 7_000_114, .permanent, .upstreamAuthorizationRequired),
            (401, "invalid_client", 7_000_215, .permanent, .upstreamUnauthenticated),
            (400, "unauthorized_client", 700_016, .permanent, .upstreamUnauthenticated),
        ] as [(Int, String, Int, ProviderError.Code, ProblemCode)]
    )
    func whatTheUserCanFixIsToldApart(
        _ status: Int,
        _ code: String,
        _ number: Int,
        _ kind: ProviderError.Code,
        _ problem: ProblemCode
    ) {
        let error = EntraFailure.error(from: refusal(status, code, number), to: .onBehalfOf(Secret("user")))
        #expect(error.code == kind)
        #expect(error.problem == problem)
    }

    private func refusal(_ status: Int, _ code: String, _ number: Int) -> UpstreamResponse {
        let body = #"{"error":"\#(code)","error_description":"AADSTS\#(number): no.","error_codes":[\#(number)]}"#
        return UpstreamResponse(
            status: status,
            headers: UpstreamHeaders([]),
            body: Array(body.utf8),
            receivedAt: Timestamp(milliseconds: 0)
        )
    }

    /// What has to be changed is named as the operator, or the caller, knows it.
    @Test(
        arguments: [
            ("invalid_client", 700_021, ["clientId", "tokenFile"]),
            ("invalid_client", 700_023, ["authority", "cloud", "tenantId"]),
            ("invalid_scope", 700_023, ["/.default"]),
            ("invalid_client", 700_030, ["sendChain"]),
            ("invalid_grant", 500_131, ["callers", "clientId"]),
            ("unauthorized_client", 7_000_114, ["user", "onBehalfOf"]),
            ("unauthorized_client", 7_000_112, ["disabled"]),
            ("invalid_request", 50_027, ["tokenFile", "Upstream-Authorization"]),
            ("invalid_request", 900_144, ["proxy"]),
            ("invalid_request", 9_001_023, ["tenantId"]),
            ("invalid_grant", 50_076, ["second factor"]),
            ("invalid_grant", 53_003, ["Conditional Access", "sign-in log"]),
            ("invalid_grant", 50_105, ["assigned"]),
            ("invalid_grant", 50_013, ["tenantId"]),
        ] as [(String, Int, [String])]
    )
    func aHintNamesWhatToChange(_ code: String, _ number: Int, _ words: [String]) {
        for kind in [TokenRequestKind.clientCredentials, .onBehalfOf(Secret("user"))] {
            let detail = EntraFailure.error(from: refusal(400, code, number), to: kind).detail
            for word in words { #expect(detail.contains(word), "\(detail)") }
        }
    }

    @Test func whoeverAskedInALoopHasToWait() {
        let error = EntraFailure.error(from: refusal(400, "invalid_grant", 50_196), to: .refreshToken(Secret("kept")))
        #expect(error.code == .throttled)
        #expect(error.retryAfter == .seconds(60))
    }

    @Test func whatBecameOfAKeptTokenIsSaid() {
        let error = EntraFailure.error(from: refusal(400, "invalid_grant", 50_173), to: .refreshToken(Secret("kept")))
        #expect(error.problem == .upstreamAuthorizationRequired)
        #expect(error.detail.contains("kept for this export"))
        #expect(error.detail.contains("revoked"))
        #expect(!error.detail.contains("accepts the token in Upstream-Authorization"))
    }

    @Test func theTraceIdIsKeptWhereItBelongs() throws {
        let error = EntraFailure.error(from: try Fixture.response(401, "entra-error-401-bad-secret"))
        #expect(error.upstream?.requestId == "b179b7db-c957-4917-a1b6-66fab2042a00")
        let other = EntraFailure.error(
            from: try Fixture.response(400, "entra-error-400-obo-consent-required", [("x-ms-request-id", "r-1")])
        )
        #expect(other.upstream?.requestId == "r-1")
    }

    @Test(arguments: [
        "entra-error-400-app-not-found", "entra-error-400-external-oidc", "entra-error-400-federation-no-match",
        "entra-error-400-invalid-scope", "entra-error-400-obo-interaction-required", "entra-error-401-bad-secret",
        "entra-error-401-expired-secret",
    ])
    func noTraceIdsInTheText(_ fixture: String) throws {
        let error = EntraFailure.error(from: try Fixture.response(400, fixture))
        let message = try #require(error.upstream?.message)
        for word in ["Trace ID", "Correlation ID", "Timestamp", "\n", "\r"] { #expect(!message.contains(word)) }
        #expect(message.hasPrefix("AADSTS"))
    }

    @Test(
        arguments: [
            (429, [("Retry-After", "17")], ProviderError.Code.throttled, Duration.seconds(17)),
            (429, [], .throttled, .seconds(5)),
            (503, [("Retry-After", "2.5")], .transient, .milliseconds(2500)),
            (500, [], .transient, .seconds(5)),
            // Never silent for more than an hour.
            (503, [("Retry-After", "86400")], .transient, .seconds(3600)),
        ] as [(Int, [(String, String)], ProviderError.Code, Duration)]
    )
    func whatPassesIsSaidToPass(
        _ status: Int,
        _ headers: [(String, String)],
        _ code: ProviderError.Code,
        _ retryAfter: Duration
    ) throws {
        let response = try Fixture.response(status, "entra-appservice-500", headers.map { (name: $0.0, value: $0.1) })
        let error = EntraFailure.error(from: response)
        #expect(error.code == code)
        #expect(error.isRetryable)
        #expect(error.retryAfter == retryAfter)
    }

    @Test func temporarilyUnavailablePassesWhateverTheStatus() {
        let body = #"{"error":"temporarily_unavailable","error_description":"AADSTS90033: busy","error_codes":[90033]}"#
        let response = UpstreamResponse(
            status: 400,
            headers: UpstreamHeaders([]),
            body: Array(body.utf8),
            receivedAt: Timestamp(milliseconds: 0)
        )
        #expect(EntraFailure.error(from: response).code == .transient)
    }

    @Test(arguments: [(404, "<html>not here</html>"), (302, ""), (400, "{}"), (407, #"{"error":{"code":"x"}}"#)])
    func anAnswerThatIsNotEntrasIsNotARefusedCredential(_ status: Int, _ body: String) {
        let response = UpstreamResponse(
            status: status,
            headers: UpstreamHeaders([]),
            body: Array(body.utf8),
            receivedAt: Timestamp(milliseconds: 0)
        )
        let error = EntraFailure.error(from: response)
        #expect(error.code == .transient)
        #expect(error.problem == .upstreamBroken)
        #expect(error.detail.contains("\(status)"))
    }

    @Test(arguments: [
        ("AADSTS1: a. Trace ID: x Correlation ID: y Timestamp: z", "AADSTS1: a."),
        ("AADSTS1: a.\r\nTrace ID: x\r\nCorrelation ID: y", "AADSTS1: a."),
        ("AADSTS1: a.\nTrace ID: x", "AADSTS1: a."),
        ("AADSTS1: a. Correlation ID: y Trace ID: x", "AADSTS1: a."),
        ("assertion eyJhbGciOiJSUzI1NiJ9.e30.sig was bad", "assertion <redacted> was bad"),
        ("assertion 'eyJhbGciOi' was bad", "assertion <redacted> was bad"),
        ("key abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz was bad", "key <redacted> was bad"),
        ("", ""),
    ])
    func textIsCleaned(_ text: String, _ clean: String) {
        #expect(EntraFailure.clean(text) == clean)
    }

    @Test func longTextIsCut() {
        let text = String(repeating: "word ", count: 10_000)
        #expect(EntraFailure.clean(text)?.count == 512)
        #expect(EntraFailure.clean(nil) == nil)
    }
}
