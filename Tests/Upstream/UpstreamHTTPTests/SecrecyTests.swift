import Exports
import InMemoryLogging
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

/// Tokens, signed queries and bodies stay out of every error and every log line, trace included.
@Suite struct SecrecyTests {
    private static let secrets = ["token-1", "token-2", "SECRETSIG", "SECRETFORM", "SECRETBODY", "SECRETANSWER"]

    /// The words, and what they look like in a hexadecimal dump.
    private static let needles =
        secrets + secrets.map { $0.utf8.map { byte in String(byte, radix: 16) }.joined() }

    private func expectNoSecret(in text: String, at location: SourceLocation = #_sourceLocation) {
        for needle in Self.needles {
            #expect(!text.lowercased().contains(needle.lowercased()), sourceLocation: location)
        }
    }

    @Test(
        arguments: [
            [RawServer.answer(200, ["X-Token: SECRETANSWER"], body: "SECRETANSWER")],
            [RawServer.answer(401, body: "SECRETANSWER")],
            [RawServer.answer(500, body: "SECRETANSWER")],
            [RawServer.answer(302, ["Location: https://x.example/?sig=SECRETSIG"])],
            [RawServer.head(200, ["Content-Length: 1000"]), .text("SECRETANSWER"), .close],
            [RawServer.head(200, ["X: SECRETANSWER"]), .text("SECRETANSWER"), .close],
            [.text("SECRETANSWER\r\n\r\n"), .close],
            [.close],
        ] as [[RawServer.Step]]
    )
    func nothingIsPrinted(_ steps: [RawServer.Step]) async throws {
        try await Upstream.with { _, _ in
            steps
        } test: { upstream in
            var form = try upstream.request(.post, "/token?sig=SECRETSIG")
            form.form = [FormField("client_secret", Secret("SECRETFORM"))]
            var start = try upstream.request(.post, "/start?sig=SECRETSIG", bearer: true)
            start.setJSON(["password": "SECRETBODY"])
            let get = try upstream.request(.get, "/file?sig=SECRETSIG", bearer: true)
            for request in [form, start, get] {
                expectNoSecret(in: "\(request.url) \(request.form ?? [])")
                do throws(ProviderError) {
                    _ = try await upstream.send(request)
                } catch {
                    var dumped = ""
                    dump(error, to: &dumped)
                    expectNoSecret(in: "\(error) \(String(reflecting: error)) \(dumped)")
                }
            }
            do {
                let download = try await upstream.download(get)
                let (_, error) = await read(download.bytes)
                expectNoSecret(in: error.map { "\($0) \(String(reflecting: $0))" } ?? "")
            } catch {
                expectNoSecret(in: "\(error) \(String(reflecting: error))")
            }
            #expect(!upstream.logs.entries.isEmpty)
            for entry in upstream.logs.entries {
                expectNoSecret(in: "\(entry.message) \(entry.metadata) \(entry.error.map { "\($0)" } ?? "")")
            }
        }
    }
}
