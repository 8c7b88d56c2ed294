import Exports
import HTTPTypes
import Synchronization
import Testing
@testable import GatewayAPI

@Suite struct ClaimsChallengeTests {
    private func answer(_ error: GatewayError) async throws -> Answer {
        let gateway = TestGateway()
        gateway.service.state.withLock { $0.failure = error }
        return try await gateway.create(CreateExportTests.body)
    }

    @Test func aChallengeIs401AsMicrosoftsLibrariesReadIt() async throws {
        let error = ProviderError(
            .unauthenticated,
            "More.",
            problem: .upstreamClaimsRequired,
            challenge: ClaimsChallenge(claims: #"{"access_token":{}}"#, authorizationURI: "https://login.example/a")
        )
        let answer = try await answer(GatewayError(error))
        #expect(answer.status == 401)
        #expect(answer.code == "upstream-claims-required")
        let field =
            #"Bearer realm="export-gateway", authorization_uri="https://login.example/a", error="insufficient_claims", "#
            + #"claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#
        #expect(answer.headers[.wwwAuthenticate] == field)
    }

    @Test func aMissingConsentIsNoChallenge() async throws {
        let answer = try await answer(GatewayError(.upstreamConsentRequired, "An administrator has to grant it."))
        #expect(answer.status == 403)
        #expect(answer.headers[.wwwAuthenticate] == nil)
    }
}
