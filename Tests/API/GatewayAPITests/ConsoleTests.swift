import CallerIdentity
import HTTPFields
import HTTPTypes
import JSON
import SystemCrypto
import Testing

@testable import GatewayAPI

/// The console's page and files, as they are served. What they do is tested in a browser, by `Tests/Contract/test_console.py`.
@Suite struct ConsoleTests {
    private static func gateway(
        _ console: ConsoleSettings? = ConsoleSettings(),
        _ configure: (inout APISettings) -> Void = { _ in }
    ) -> TestGateway {
        TestGateway {
            $0.console = console
            configure(&$0)
        }
    }

    @Test func isServedOnlyWhereItIsConfigured() async throws {
        for path in ["/console", "/console/main.js", "/console/settings.json", "/console/"] {
            #expect(try await Self.gateway(nil).call(.get, path).status == 404, "\(path)")
        }
        let gateway = TestGateway {
            $0.console = ConsoleSettings()
            $0.operations = .init(host: "127.0.0.1", port: 0)
        }
        #expect(try await gateway.call(.get, "/console").status == 200)
        #expect(try await gateway.callPlatform(.get, "/console").status == 404)
    }

    @Test func thePageHoldsNothingInlineAndNothingFromElsewhere() async throws {
        let page = try await Self.gateway().call(.get, "/console")
        #expect(page.status == 200)
        #expect(page.headers[.contentType] == "text/html; charset=utf-8")
        #expect(page.headers[.cacheControl] == "no-cache")
        #expect(page.headers[.xContentTypeOptions] == "nosniff")
        #expect(page.headers[HTTPField.Name("Referrer-Policy")!] == "no-referrer")
        #expect(page.headers[HTTPField.Name("Cross-Origin-Opener-Policy")!] == "same-origin")
        #expect(
            page.headers[.contentSecurityPolicy]
                == "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
                + "trusted-types 'none'"
        )
        #expect(page.body.contains("<script type=\"module\" src=\"console/main.js\"></script>"))
    }

    @Test func filesAreRevalidated() async throws {
        let gateway = Self.gateway()
        #expect(ConsoleFile.all.count > 20)
        for (name, file) in ConsoleFile.all where name != ConsoleFile.page {
            let answer = try await gateway.call(.get, "/console/\(name)")
            #expect(answer.status == 200 && !answer.body.isEmpty, "\(name)")
            #expect(answer.headers[.contentType]?.contains(#/javascript|css|svg/#) == true, "\(name)")
            let tag = try #require(answer.headers[.eTag])
            #expect(tag == file.entityTag.field && !tag.hasPrefix("W/"))
            let unchanged = try await gateway.call(.get, "/console/\(name)", headers: [.ifNoneMatch: "\"x\", \(tag)"])
            #expect(unchanged.status == 304 && unchanged.body.isEmpty)
            #expect(unchanged.headers[.eTag] == tag)
            #expect(unchanged.headers[.contentSecurityPolicy] != nil)
            let head = try await gateway.call(.head, "/console/\(name)")
            #expect(head.body.isEmpty)
            #expect(head.headers[.contentLength] == String(answer.body.utf8.count))
        }
    }

    @Test func otherPathsAndMethods() async throws {
        let gateway = Self.gateway()
        for path in [
            "/console/index.html", "/console/nothing.js", "/console/main.js/", "/consol%65", "/console/%6dain.js",
        ] {
            #expect(try await gateway.call(.get, path).status == 404, "\(path)")
        }
        let slash = try await gateway.call(.get, "/console/")
        #expect(slash.status == 308)
        #expect(slash.headers[.location] == "../console")
        for method: HTTPRequest.Method in [.post, .put, .delete, .options] {
            let answer = try await gateway.call(method, "/console")
            #expect(answer.status == 405)
            #expect(answer.headers[.allow] == "GET, HEAD")
        }
    }

    @Test func thePageLearnsHowCallersSignIn() async throws {
        let anonymous = try await Self.gateway().call(.get, "/console/settings.json")
        #expect(anonymous.headers[.cacheControl] == "no-store")
        #expect(anonymous.json["anonymous"]?.bool == true)
        #expect(anonymous.json["apiKeys"]?.bool == false)
        #expect(anonymous.json["entra"] == nil)
        let entra = ConsoleSettings.EntraSignIn(
            authority: "https://login.example.org",
            tenant: "organizations",
            clientID: "client",
            scope: "api://gateway/.default"
        )
        let gateway = Self.gateway(ConsoleSettings(entra: entra)) {
            $0.apiKeys = [APIKey(id: "reporting", sha256: SHA256.hash([1]))]
        }
        let settings = try await gateway.call(.get, "/console/settings.json")
        #expect(settings.json["anonymous"]?.bool == false)
        #expect(settings.json["apiKeys"]?.bool == true)
        let endpoints = "https://login.example.org/organizations/oauth2/v2.0"
        #expect(settings.json["entra"]?["authorizationEndpoint"]?.string == endpoints + "/authorize")
        #expect(settings.json["entra"]?["tokenEndpoint"]?.string == endpoints + "/token")
        #expect(settings.json["entra"]?["clientId"]?.string == "client")
        #expect(settings.json["entra"]?["scope"]?.string == "api://gateway/.default")
        let policy = try await gateway.call(.get, "/console").headers[.contentSecurityPolicy]
        #expect(policy?.contains("connect-src 'self' https://login.example.org;") == true)
    }
}
