import HTTPFields
import Exports
import Foundation
import InMemoryLogging
import JSON
import Logging
import ScriptedHost
import Testing
import UpstreamHTTP
@testable import EntraIdentity

/// An authority that repeats what it was sent gets nothing of it shown, kept or logged.
@Suite struct EchoTests {
    /// How an authority may write what it repeats.
    enum Writing: CaseIterable {
        case plain, percentEncoded, escaped, quotedTwice, cutShort

        func json(_ secret: String) -> String {
            switch self {
            case .plain: Self.encoded(secret)
            case .percentEncoded: PercentEncoding.encode(secret)
            case .escaped: secret.utf16.map { "\\u00" + String($0, radix: 16) }.joined()
            case .quotedTwice: Self.encoded(Self.encoded(secret).replacing("/", with: "\\/"))
            case .cutShort: Self.encoded(String(secret.prefix(20))) + "..."
            }
        }

        private static func encoded(_ text: String) -> String {
            String(String(decoding: JSONValue.string(text).encoded(), as: UTF8.self).dropFirst().dropLast())
        }
    }

    private static let scope = TokenScope("https://graph.microsoft.com/.default")
    /// As Entra ID makes client secrets: 40 characters.
    private static let secret = "aB38Q~Zk3v9Qp7Lw2x8Rt5Ym4Nn6Cc1Dd0Ee9Ff7"

    private static func refuse(_ call: TokenServer.Call, _ secret: String, _ writing: Writing) {
        let words = writing.json(secret)
        let description =
            "AADSTS7000215: Invalid client secret provided: '\(words)' in \(words).\\r\\nTrace ID: x"
        let claims = #"{\"was\":\"\#(Writing.quotedTwice.json(secret))\"}"#
        call.reply(
            401,
            #"{"error":"invalid_client","error_description":"\#(description)","error_codes":[7000215],"#
                + #""claims":"\#(claims)"}"#,
            "x-ms-request-id: \(secret)\r\n"
        )
    }

    private func expectNothing(
        of secret: String,
        in error: ProviderError,
        _ logs: InMemoryLogHandler? = nil,
        at location: SourceLocation = #_sourceLocation
    ) {
        let challenge = error.challenge.map { "\($0.claims) \($0.authorizationURI)" } ?? ""
        var texts = ["\(error.detail) \(error.upstream.map { "\($0)" } ?? "")", challenge]
        texts += logs?.entries.map { "\($0.message) \($0.metadata)" } ?? []
        for writing in Writing.allCases where writing != .cutShort {
            for text in texts { #expect(!text.contains(writing.json(secret)), sourceLocation: location) }
        }
        for text in texts { #expect(!text.contains(secret.prefix(20)), sourceLocation: location) }
        #expect(error.upstream?.message?.contains("<redacted>") == true, sourceLocation: location)
    }

    @Test(arguments: Writing.allCases, [secret, "s3cret &+\"\\/"])
    func aClientSecretDoesNotComeBack(_ writing: Writing, _ secret: String) async throws {
        // Nobody can find a secret of a few characters by half of it.
        guard writing != .cutShort || secret.count > 20 else { return }
        try await TokenServer.serve { server, authority, client, time, logs async throws in
            let source = EntraTokenSource(
                endpoint: TokenEndpoint(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "client-id",
                    credential: .clientSecret(SecretSource(Secret(secret))),
                    client: client
                ),
                time: time
            )
            async let refused = error(source, CallContext(requestID: "r"))
            Self.refuse(await server.call(0), secret, writing)
            let error = try await refused
            #expect(error.upstream?.code == "AADSTS7000215")
            #expect(
                error.upstream?.message?.hasPrefix("AADSTS7000215: Invalid client secret provided: '<redacted>") == true
            )
            expectNothing(of: secret, in: error, logs)
        }
    }

    @Test(arguments: Writing.allCases)
    func aFederatedTokenDoesNotComeBack(_ writing: Writing) async throws {
        let token = "a.short.one-but-longer-than-twenty"
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        try Data(token.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await TokenServer.serve { server, authority, client, time, logs async throws in
            let source = EntraTokenSource(
                endpoint: TokenEndpoint(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "client-id",
                    credential: .federatedToken(FederatedTokenFile(path: path)),
                    client: client
                ),
                time: time
            )
            async let refused = error(source, CallContext(requestID: "r"))
            Self.refuse(await server.call(0), token, writing)
            expectNothing(of: token, in: try await refused, logs)
        }
    }

    @Test(arguments: Writing.allCases)
    func aUsersTokenDoesNotComeBack(_ writing: Writing) async throws {
        let user = "opaque-token-of-a-user-51"
        try await TokenServer.onBehalfOf { server, source, _ async throws in
            let context = CallContext(requestID: "r", authorization: Secret(user))
            async let refused = error(source, context)
            Self.refuse(await server.call(0), user, writing)
            expectNothing(of: user, in: try await refused)
        }
    }

    @Test(arguments: Writing.allCases)
    func aRefreshTokenDoesNotComeBack(_ writing: Writing) async throws {
        let kept = "0.AXoA-opaque-refresh-token"
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let store = Store(kept)
            async let refused = error(source, CallContext(requestID: "r", refreshToken: store))
            Self.refuse(await server.call(0), kept, writing)
            expectNothing(of: kept, in: try await refused)
        }
    }

    /// What is granted may be what was shown: it is no echo.
    @Test func aRefreshTokenThatIsGrantedAgainIsKept() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let store = Store("refresh-token-1")
            async let token = source.accessToken(
                for: Self.scope,
                context: CallContext(requestID: "r", refreshToken: store),
                replacing: nil
            )
            await server.call(0)
                .reply(
                    200,
                    #"{"token_type":"Bearer","expires_in":3600,"access_token":"one","refresh_token":"refresh-token-1"}"#
                )
            #expect(try await token.secret == Secret("one"))
            #expect(await store.token() == Secret("refresh-token-1"))
        }
    }

    @Test(arguments: Writing.allCases)
    func theHeaderOfAppServiceDoesNotComeBack(_ writing: Writing) async throws {
        let header = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
        try await TokenServer.serve { server, address, client, time, logs async throws in
            let identity = ManagedIdentity(host: .appService(address, header: Secret(header)))
            let source = ManagedIdentityTokenSource(identity, client: client, time: time)
            async let refused = error(source, CallContext(requestID: "r"))
            Self.refuse(await server.call(0), header, writing)
            expectNothing(of: header, in: try await refused, logs)
        }
    }

    private func error(_ source: some AccessTokenSource, _ context: CallContext) async throws -> ProviderError {
        do throws(ProviderError) {
            _ = try await source.accessToken(for: Self.scope, context: context, replacing: nil)
        } catch {
            return error
        }
        throw ProviderError(.permanent, "nothing was thrown")
    }
}
