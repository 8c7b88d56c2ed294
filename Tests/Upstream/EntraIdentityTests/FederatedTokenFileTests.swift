import Exports
import Foundation
import ManualClock
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import EntraIdentity

extension AccessTokenSource {
    fileprivate func token() async throws(ProviderError) -> AccessToken {
        try await accessToken(
            for: TokenScope("https://graph.microsoft.com/.default"),
            context: CallContext(requestID: "r"),
            replacing: nil
        )
    }
}

@Suite struct FederatedTokenFileTests {
    private func with(_ text: String?, _ test: (String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        try text.map { try Data($0.utf8).write(to: file) }
        defer { try? FileManager.default.removeItem(at: file) }
        try await test(file.path)
    }

    @Test func itIsReadAgainForEachRequest() async throws {
        try await with("aaa.bbb.ccc\n") { path async throws in
            try await TokenServer.serve { server, authority, client, time, _ async throws in
                let source = EntraTokenSource(
                    endpoint: TokenEndpoint(
                        authority: authority,
                        tenant: "contoso.example",
                        clientID: "c",
                        credential: .federatedToken(FederatedTokenFile(path: path)),
                        client: client
                    ),
                    time: time
                )
                async let first = source.token()
                let call = await server.call(0)
                #expect(call.parameters["client_assertion"] == "aaa.bbb.ccc")
                #expect(
                    call.parameters["client_assertion_type"]
                        == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                )
                call.grant("one", expiresIn: 60)
                #expect(try await first.secret == Secret("one"))
                try Data("ddd.eee.fff".utf8).write(to: URL(filePath: path))
                time.advance(by: .seconds(60))
                async let second = source.token()
                #expect(await server.call(1).parameters["client_assertion"] == "ddd.eee.fff")
                await server.call(1).grant("two")
                #expect(try await second.secret == Secret("two"))
            }
        }
    }

    @Test(arguments: [nil, "", "\n", "no token", "a.b", "a.b.c d.e.f", String(repeating: "a.b.", count: 20_000)])
    func whatIsNoTokenIsNotSent(text: String?) async throws {
        try await with(text) { path async throws in
            let error = #expect(throws: ProviderError.self) { try FederatedTokenFile(path: path).read() }
            #expect(error?.code == .unauthenticated)
            #expect(error?.detail.contains(path) == false)
        }
    }
}
