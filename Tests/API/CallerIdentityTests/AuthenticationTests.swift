import CallerIdentity
import CoreMetrics
import Exports
import HTTPTypes
import Logging
import ManualClock
import NIOEmbedded
import SystemCrypto
import TestTokens
import Testing

@Suite struct AuthenticationTests {
    private static let key = APIKey(
        id: "batch",
        sha256: SHA256.hash(Array("the-key".utf8)),
        permissions: Permissions([.read])
    )

    private static func authentication(_ keys: [APIKey], _ authority: TokenAuthority? = nil) -> Authentication {
        Authentication(
            keys: keys,
            tokenAuthority: authority,
            certificates: [],
            time: ManualTime(),
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
    }

    private static func caller(_ authentication: Authentication, _ lines: [String]) async throws -> Caller {
        var fields = HTTPFields()
        fields[values: .authorization] = lines
        return try await authentication.caller(of: fields, on: NIOAsyncTestingChannel())
    }

    @Test func withoutCredentialsEverybodyIsAnonymous() async throws {
        let authentication = Self.authentication([])
        for lines in [[], ["Bearer the-key"], ["Basic a", "Basic b"]] {
            #expect(try await Self.caller(authentication, lines) == .anonymous)
            #expect(authentication.callerAtOnce(authorization: lines.first) == .anonymous)
        }
        #expect(Caller.anonymous.viewer(token: nil, downloadToken: nil).identity == .anonymous)
    }

    @Test func theHolderOfAKeyIsKnownAtOnce() async throws {
        let authentication = Self.authentication([Self.key])
        let holder = Caller(id: "batch", kind: .apiKey, permissions: Permissions([.read]))
        #expect(authentication.callerAtOnce(authorization: "Bearer the-key") == holder)
        #expect(try await Self.caller(authentication, ["Bearer the-key"]) == holder)
        // Another spelling is accepted too, and not at once.
        #expect(authentication.callerAtOnce(authorization: "bearer the-key") == nil)
        #expect(try await Self.caller(authentication, ["bearer the-key"]) == holder)
        #expect(holder.viewer(token: nil, downloadToken: nil).identity == .caller("batch", seesAll: false))
    }

    @Test(arguments: [
        [], ["Bearer another-key"], ["Bearer a.dotted.key"], ["Bearer "], ["the-key"], ["Basic the-key"],
        ["Bearer the-key", "Bearer the-key"],
    ])
    func nobodyElseIsLetIn(lines: [String]) async throws {
        let authentication = Self.authentication([Self.key])
        if lines.count < 2 { #expect(authentication.callerAtOnce(authorization: lines.first) == nil) }
        let error = await #expect(throws: GatewayError.self) { try await Self.caller(authentication, lines) }
        #expect(error?.code == .unauthenticated)
        #expect(error?.challenge != nil)
    }

    @Test func tokensAreNeverKnownAtOnce() async throws {
        let authentication = Self.authentication([Self.key], try TestAuthority().settings())
        let line = "Bearer \(try TokenDraft.user().signed())"
        #expect(authentication.callerAtOnce(authorization: line) == nil)
        #expect(try await Self.caller(authentication, [line]).kind == .user)
        #expect(try await Self.caller(authentication, ["Bearer the-key"]).kind == .apiKey)
    }
}
