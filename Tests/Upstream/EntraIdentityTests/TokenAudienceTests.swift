import Exports
import JSON
import SystemCrypto
import Testing
import UpstreamHTTP
@testable import EntraIdentity

@Suite struct TokenAudienceTests {
    private func token(_ audience: JSONValue) -> Secret {
        let claims: JSONValue = ["aud": audience, "scp": "x"]
        return Secret("eyJhbGciOiJub25lIn0." + Base64URL.encode(claims.encoded()) + ".c2ln")
    }

    private static let graph = TokenScope("https://graph.microsoft.com/.default")

    @Test(arguments: [
        "https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000",
    ])
    func theServiceItselfUnderEitherName(_ audience: String) {
        #expect(TokenAudience.wrong(token(.string(audience)), for: Self.graph) == nil)
    }

    @Test(arguments: ["https://management.azure.com/", "00000009-0000-0000-c000-000000000000", "api://something"])
    func anotherService(_ audience: String) {
        #expect(TokenAudience.wrong(token(.string(audience)), for: Self.graph) == audience)
    }

    @Test func whatTellsNothingIsLetPass() {
        for text in ["opaque", "a.b.c", "a.b.c.d.e", "..", "eyJ.e30.x"] {
            #expect(TokenAudience.wrong(Secret(text), for: Self.graph) == nil)
        }
        #expect(TokenAudience.wrong(token([]), for: Self.graph) == nil)
        #expect(TokenAudience.wrong(token(["x", "https://graph.microsoft.com"]), for: Self.graph) == nil)
        // A service of one's own may go by names that nobody knows here.
        #expect(TokenAudience.wrong(token("api://other"), for: TokenScope("api://own/.default")) == nil)
    }

    @Test func anApplicationsOwnNames() {
        let id = "22222222-2222-2222-2222-222222222222"
        for audience in [id, id.uppercased(), "api://\(id)", "https://contoso.example/gateway"] {
            #expect(TokenAudience.wrong(token(.string(audience)), forApplication: id) == nil)
        }
        for audience in ["https://graph.microsoft.com", "33333333-2222-2222-2222-222222222222"] {
            #expect(TokenAudience.wrong(token(.string(audience)), forApplication: id) == audience)
        }
    }
}
