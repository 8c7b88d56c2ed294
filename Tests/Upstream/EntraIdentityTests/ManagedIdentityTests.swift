import Exports
import ManualClock
import ScriptedHost
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://analysis.windows.net/powerbi/api/.default")

extension ManagedIdentityTokenSource {
    fileprivate func token() async throws(ProviderError) -> AccessToken {
        try await accessToken(for: scope, context: CallContext(requestID: "r"), replacing: nil)
    }
}

@Suite struct ManagedIdentityTests {
    private func with(
        _ identity: ManagedIdentity.Identity = .systemAssigned,
        appService: Bool = false,
        _ test: (TokenServer, ManagedIdentityTokenSource, ManualTime) async throws -> Void
    ) async throws {
        try await TokenServer.serve { server, address, client, _, _ async throws in
            // A clock of its own: the client's has its deadlines waiting on it.
            let time = ManualTime()
            let host: ManagedIdentity.Host =
                appService
                ? .appService(address.appending(path: ["msi", "token"]), header: Secret("app-header"))
                : .metadata(address)
            let source = ManagedIdentityTokenSource(
                ManagedIdentity(host: host, identity: identity),
                client: client,
                time: time
            )
            try await test(server, source, time)
        }
    }

    private func error(_ source: ManagedIdentityTokenSource) async throws -> ProviderError {
        do throws(ProviderError) {
            _ = try await source.token()
        } catch {
            return error
        }
        throw ProviderError(.permanent, "nothing was thrown")
    }

    @Test(arguments: [
        (ManagedIdentity.Identity.systemAssigned, ""), (.clientID("c-1"), "&client_id=c-1"),
        (.objectID("o-1"), "&object_id=o-1"), (.resourceID("/subs/x"), "&msi_res_id=%2Fsubs%2Fx"),
    ])
    func theMetadataServiceIsAskedItsWay(_ identity: ManagedIdentity.Identity, _ parameter: String) async throws {
        try await with(identity) { server, source, time async throws in
            async let token = source.token()
            let call = await server.call(0)
            #expect(
                call.target == "/metadata/identity/oauth2/token?api-version=2018-02-01"
                    + "&resource=https%3A%2F%2Fanalysis.windows.net%2Fpowerbi%2Fapi" + parameter
            )
            #expect(call.head.hasPrefix("GET "))
            #expect(call.head.lowercased().contains("\r\nmetadata: true"))
            call.reply(200, try Fixture.text("entra-imds-200"))
            #expect(try await token.expiresAt == time.now() + .seconds(3599))
        }
    }

    @Test(arguments: [
        (ManagedIdentity.Identity.systemAssigned, ""), (.clientID("c-1"), "&client_id=c-1"),
        (.resourceID("/subs/x"), "&mi_res_id=%2Fsubs%2Fx"),
    ])
    func appServiceIsAskedItsWay(_ identity: ManagedIdentity.Identity, _ parameter: String) async throws {
        try await with(identity, appService: true) { server, source, time async throws in
            async let token = source.token()
            let call = await server.call(0)
            #expect(
                call.target == "/msi/token?api-version=2019-08-01"
                    + "&resource=https%3A%2F%2Fanalysis.windows.net%2Fpowerbi%2Fapi" + parameter
            )
            #expect(call.head.lowercased().contains("\r\nx-identity-header: app-header"))
            #expect(!call.head.lowercased().contains("\r\nmetadata:"))
            let end = time.now().milliseconds / 1000 + 7000
            call.reply(200, #"{"access_token":"one","expires_on":"\#(end)","resource":"r","token_type":"Bearer"}"#)
            #expect(try await token == AccessToken(Secret("one"), expiresAt: time.now() + .seconds(7000)))
        }
    }

    /// Published by Microsoft, and ended in 2020: a token that is over is none.
    @Test(arguments: ["entra-appservice-200"])
    func aTokenThatIsOverIsNone(_ fixture: String) async throws {
        try await with(appService: true) { server, source, _ async throws in
            async let error = error(source)
            await server.call(0).reply(200, try Fixture.text(fixture))
            #expect(try await error.code == .transient)
        }
    }

    @Test func theMetadataServiceIsAskedAgainByItsOwnRules() async throws {
        try await with { server, source, time async throws in
            async let token = source.token()
            for (index, (status, wait)) in [(404, Duration.zero), (429, .seconds(2)), (500, .seconds(6))].enumerated() {
                await server.call(index).reply(status, "")
                guard wait > .zero else { continue }
                await time.pauses(atLeast: 1)
                time.advance(by: wait - .milliseconds(1))
                #expect(server.calls.count == index + 1)
                time.advance(by: .milliseconds(1))
            }
            await server.call(3).reply(200, try Fixture.text("entra-imds-200"))
            _ = try await token
            #expect(server.calls.count == 4)
        }
    }

    @Test func waitsAndTheirEnds() {
        func answer(_ status: Int, _ headers: [(String, String)] = []) -> UpstreamResponse {
            UpstreamResponse(
                status: status,
                headers: UpstreamHeaders(headers.map { (name: $0.0, value: $0.1) }),
                body: [],
                receivedAt: Timestamp(milliseconds: 0)
            )
        }
        func waits(_ status: Int) -> [Duration] {
            var retries = MetadataRetries()
            var waits: [Duration] = []
            while let wait = retries.next(after: answer(status)) { waits.append(wait) }
            return waits
        }
        for status in [404, 429, 500, 503] {
            #expect(waits(status) == [.zero, .seconds(2), .seconds(6), .seconds(14), .seconds(30)])
        }
        // An update takes up to 70 seconds.
        #expect(waits(410).reduce(.zero, +) >= .seconds(70))
        for status in [400, 401, 403, 302] { #expect(waits(status).isEmpty) }
        var retries = MetadataRetries()
        #expect(retries.next(after: answer(429, [("Retry-After", "9")])) == .seconds(9))
    }

    @Test(
        arguments: [
            (
                400, #"{"error":"invalid_request","error_description":"Identity not found"}"#, .unauthenticated,
                "assigned"
            ),
            (400, #"{"error":"bad_request_102","error_description":"Required"}"#, .unauthenticated, "refused"),
            (403, "A socket operation was attempted to an unreachable network", .unauthenticated, "not Azure"),
        ] as [(Int, String, ProviderError.Code, String)]
    )
    func refusalsAreNotTriedAgain(_ status: Int, _ body: String, _ code: ProviderError.Code, _ words: String)
        async throws
    {
        try await with { server, source, _ async throws in
            async let refused = error(source)
            await server.call(0).reply(status, body)
            let error = try await refused
            #expect(error.code == code)
            #expect(error.detail.contains(words))
            #expect(server.calls.count == 1)
        }
    }

    @Test func appServicesVague500IsSaidToPass() async throws {
        try await with(appService: true) { server, source, _ async throws in
            async let refused = error(source)
            await server.call(0).reply(500, try Fixture.text("entra-appservice-500"))
            let error = try await refused
            #expect(error.code == .transient)
            #expect(error.retryAfter == .seconds(5))
            #expect(server.calls.count == 1)
        }
    }

    /// What proves that it is the app that asks is not in what is printed of a request.
    @Test func aRequestDoesNotPrintItsHeaders() throws {
        let address = try #require(UpstreamURL("http://127.0.0.1:1/msi/token"))
        let request = ManagedIdentity(host: .appService(address, header: Secret("app-header"))).request(for: scope)
        #expect(request.secretHeaders.map(\.value) == [Secret("app-header")])
        var dumped = ""
        dump(request, to: &dumped)
        for text in ["\(request)", String(reflecting: request), dumped] {
            #expect(!text.contains("app-header"))
            #expect(text.contains("entra.managed-identity"))
        }
    }

    @Test func withoutTheServiceThatIsSaid() async throws {
        try await with { server, source, _ async throws in
            async let refused = error(source)
            await server.call(0).cut()
            #expect(try await refused.detail.contains("a machine of Azure"))
        }
    }
}
