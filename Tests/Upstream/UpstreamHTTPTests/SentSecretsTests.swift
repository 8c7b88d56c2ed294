import Exports
import Foundation
import InMemoryLogging
import JSON
import ScriptedHost
import Testing
@testable import UpstreamHTTP

/// An upstream that repeats what it was sent is read without it.
@Suite struct SentSecretsTests {
    private static func redact(_ secret: String, in text: String, andBeginnings: Bool = false) -> String {
        let secrets = [SecretWritings(secret)].compactMap { $0 }
        return String(
            decoding: SecretWritings.redact(secrets, in: Array(text.utf8), andBeginnings: andBeginnings),
            as: UTF8.self
        )
    }

    // MARK: Writings

    @Test(arguments: [
        ("s3cr", "<s3cr>", "<<redacted>>"), ("s3cr", "s3crs3cr", "<redacted><redacted>"),
        ("s3cr", "a s3c r", "a s3c r"), ("s3cr", "S3CR", "S3CR"), ("s3cr", "", ""), ("s3cr", "s3c", "s3c"),
        // Percent-encoded, in whatever case, as much as was thought necessary, and more than once.
        ("a+/=b", "a%2B%2F%3Db", "<redacted>"), ("a+/=b", "a%2b/%3db", "<redacted>"),
        ("a+/=b", "a%252B%252f%253Db", "<redacted>"), ("abcd", "%61%62%63%64", "<redacted>"),
        ("a b c", "a+b%20c", "<redacted>"), ("é~tü", "%C3%A9~t%c3%bc", "<redacted>"),
        ("a%2Fb", "a%2Fb", "<redacted>"), ("a%2Fb", "a%252Fb", "<redacted>"), ("%25%25", "%2525%2525", "<redacted>"),
        // Escaped as in JSON, at one level and at two.
        (#"a"b\c"#, #"a\"b\\c"#, "<redacted>"), (#"a"b\c"#, #"a\\\"b\\\\c"#, "<redacted>"),
        ("a+/&b", #"a\u002B\/\u0026b"#, "<redacted>"), ("a+/&b", #"a\\u002b\\/\\u0026b"#, "<redacted>"),
        ("a😀bc", #"a\ud83d\uDE00bc"#, "<redacted>"), ("a😀bc", "a😀bc", "<redacted>"),
        ("nope", #"x\nope"#, "x<redacted>"), ("abcd", #"\"abcd\""#, #"\"<redacted>\""#),
        // Both at once.
        ("a+\"b", #"a%2B\"b"#, "<redacted>"),
        // What is broken off, or too short to be a secret.
        ("a+/=b", "a%2B%2", "a%2B%2"), ("a+/=b", #"a\u00"#, #"a\u00"#), ("abc", "abc", "abc"), ("", "x", "x"),
    ])
    func aSecretIsFoundInEveryWriting(_ secret: String, _ text: String, _ shown: String) {
        #expect(Self.redact(secret, in: text) == shown)
    }

    @Test func ofAnErrorBeginningsAreRedactedToo() {
        let secret = "abcdefghijklmnopqrstuvwxyz"
        let text = "see 'abcdefghijklmnop...' and 'abcdefghijklmno...'"
        #expect(Self.redact(secret, in: text) == text)
        #expect(
            Self.redact(secret, in: text, andBeginnings: true) == "see '<redacted>...' and 'abcdefghijklmno...'"
        )
    }

    @Test func theLongestIsRedacted() {
        let secrets = ["abcd", "abcdef"].compactMap { SecretWritings($0) }
        let redacted = SecretWritings.redact(secrets, in: Array("abcdefg".utf8), andBeginnings: false)
        #expect(String(decoding: redacted, as: UTF8.self) == "<redacted>g")
    }

    /// Whatever bytes an upstream sends, nothing but secrets is redacted.
    @Test func bytesThatAreNoTextStay() {
        var generator = SystemRandomNumberGenerator()
        let secrets = ["a%+\\é \"z"].compactMap { SecretWritings($0) }
        for length in 0..<400 {
            let special = Array("%\\u25ae+2b".utf8)
            let bytes = (0..<length)
                .map { _ in
                    Bool.random(using: &generator)
                        ? special.randomElement(using: &generator) ?? 0 : UInt8.random(in: 0...255, using: &generator)
                }
            #expect(SecretWritings.redact(secrets, in: bytes, andBeginnings: true) == bytes)
        }
    }

    @Test func itPrintsNothing() throws {
        var request = UpstreamRequest("test", .get, try #require(UpstreamURL("https://h.example/?sig=SECRETSIG")))
        request.secrets = [Secret("SECRETBODY")]
        request.isSignedLink = true
        let sent = SentSecrets(request, token: AccessToken(Secret("SECRETTOKEN")))
        let writings = try #require(SecretWritings("SECRETTOKEN"))
        var dumped = ""
        dump((sent, writings), to: &dumped)
        #expect(
            !"\(sent) \(String(reflecting: sent)) \(writings) \(String(reflecting: writings)) \(dumped)"
                .contains("SECRET")
        )
    }

    // MARK: Calls

    /// Everything that the request holds, in body and head.
    private static func echo(_ status: Int, _ call: RawServer.Call) -> RawServer.Step {
        let sent =
            call.body + " " + call.target + " "
            + call.headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: " ")
        let words = JSONValue.object(["error": ["message": .string(sent)]])
        return RawServer.answer(
            status,
            [
                "X-Echo: \(sent)",
                "Location: /elsewhere?\(call.headers["authorization"]?.split(separator: " ").last ?? "")",
            ],
            body: String(decoding: words.encoded(), as: UTF8.self)
        )
    }

    @Test(arguments: [200, 202, 400, 401, 403, 429, 500])
    func noTokenComesBack(_ status: Int) async throws {
        // Short and opaque: nothing about it looks like a token.
        try await Upstream.with(tokens: ["tok7", "tok8"]) { call, _ in
            [Self.echo(status, call)]
        } test: { upstream in
            var request = try upstream.request(.post, bearer: true)
            request.setJSON(["sas": "sv=1&sig=a+b/c=&se=2", "other": "stays"])
            request.secrets = [Secret("?sv=1&sig=a+b/c=&se=2")]
            request.secretHeaders = [("x-identity-header", Secret("\"h3ader\""))]
            let response: UpstreamResponse
            do throws(ProviderError) {
                response = try await upstream.send(request)
            } catch {
                // The second token was refused too, and there is no third.
                #expect(status == 401 && !"\(error)".contains("tok"))
                return
            }
            let text = String(decoding: response.body, as: UTF8.self)
            let message = try #require(response.json?["error"]?["message"]?.string)
            #expect(message.contains("stays"))
            #expect(message.contains("authorization: Bearer <redacted>"))
            #expect(message.contains("sig=<redacted>"))
            for words in [text, message, response.headers["x-echo"] ?? "", response.headers["location"] ?? ""] {
                for secret in ["tok7", "tok8", "a+b/c", "h3ader"] { #expect(!words.contains(secret)) }
            }
            #expect(response.headers["x-echo"]?.contains("<redacted>") == true)
        }
    }

    @Test func noSecretOfAFormComesBackInAnError() async throws {
        try await Upstream.with { call, index in
            [Self.echo(index == 0 ? 401 : 200, call)]
        } test: { upstream in
            var request = try upstream.request(.post)
            request.form = [
                FormField("client_id", open: "client-id"), FormField("client_secret", Secret("aB3~ x+/=é")),
                FormField("refresh_token", Secret("r3fr")),
            ]
            let refused = try await upstream.send(request)
            let message = try #require(refused.json?["error"]?["message"]?.string)
            #expect(message.contains("client_id=client-id&client_secret=<redacted>&refresh_token=<redacted> "))
            // What is granted may be what was shown.
            let granted = try await upstream.send(request)
            #expect(granted.json?["error"]?["message"]?.string?.contains("refresh_token=r3fr") == true)
        }
    }

    @Test func noSignatureOfALinkComesBack() async throws {
        try await Upstream.with { call, index in
            index == 0
                ? [RawServer.answer(302, ["Location: /moved?\(call.target.drop { $0 != "?" }.dropFirst())"])]
                : [Self.echo(403, call)]
        } test: { upstream in
            var request = try upstream.request(.get, "/f?sv=1&sig=a%2Bb&other=longer-than-sixteen", bearer: false)
            request.isSignedLink = true
            let origin = HostRule.origin(of: try upstream.url)
            let download = try await upstream.download(request, redirects: [origin])
            // The redirect leads on with the signature.
            #expect(upstream.server.calls.map(\.target).last == "/moved?sv=1&sig=a%2Bb&other=longer-than-sixteen")
            #expect(download.status == 403)
            let response = await download.collected()
            let message = try #require(response.json?["error"]?["message"]?.string)
            #expect(message.contains("/moved?<redacted> "))
            for words in [message, response.headers["x-echo"] ?? ""] {
                for secret in ["a%2Bb", "a+b", "longer-than"] { #expect(!words.contains(secret)) }
            }
        }
    }

    @Test func whatALinkAsksTheStorageToSayIsRead() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200, ["Content-Type: application/octet-stream"], body: "file")]
        } test: { upstream in
            var request = try upstream.request(
                .get,
                "/f?sig=a%2Bb&rsct=application%2Foctet-stream&rscd=attachment%3B%20filename%3Dfile.zip",
                bearer: false
            )
            request.isSignedLink = true
            let download = try await upstream.download(request, redirects: [HostRule.origin(of: upstream.url)])
            #expect(download.fileHead(requestID: nil).contentType == "application/octet-stream")
        }
    }

    @Test func noTokenOfADownloadComesBack() async throws {
        try await Upstream.with { call, _ in
            [Self.echo(403, call)]
        } test: { upstream in
            let response = await (try await upstream.download(upstream.request(.get, bearer: true))).collected()
            #expect(response.json?["error"]?["message"]?.string?.contains("Bearer <redacted>") == true)
            #expect(!String(decoding: response.body, as: UTF8.self).contains("token-1"))
            #expect(response.headers["x-echo"]?.contains("token-1") == false)
        }
    }

    /// The claims come in base 64, where no writing of the token is found.
    @Test func noTokenComesBackInAChallenge() async throws {
        try await Upstream.with(ofUsers: true) { _, _ in
            let claims = Data(#"{"access_token":{"was":"token-1"}}"#.utf8).base64EncodedString()
            let field =
                #"WWW-Authenticate: Bearer authorization_uri="https://h.example/token-1", error="insufficient_claims", "#
                + #"claims="\#(claims)""#
            return [RawServer.answer(401, [field])]
        } test: { upstream in
            let error = try await providerError { try await upstream.send(upstream.request(.get, bearer: true)) }
            #expect(error.challenge?.claims == #"{"access_token":{"was":"<redacted>"}}"#)
            #expect(error.challenge?.authorizationURI == "https://h.example/<redacted>")
        }
    }
}
