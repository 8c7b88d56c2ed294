import Exports
import Testing

@Suite struct UpstreamErrorInfoTests {
    private static let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"

    private func message(_ text: String) -> String? { UpstreamErrorInfo(message: text).message }

    @Test(arguments: [
        "The token \(token) is not valid.", "assertion=\(token)", "(\(token))", "Bearer abcDEF123456.opaque",
        "\"Authorization: Bearer abcDEF123456.opaque\"", "GET https://a.blob.core.windows.net/c?sv=1&sig=abcDEF123456",
        "https://login.example/#access_token=abcDEF123456", "?sv=2020&SIG=abcDEF123456", "se=1&sig%3DabcDEF123456",
        "client_secret=abcDEF123456", "AccountKey=abcDEF123456;", "password=abcDEF123456", "refresh_token=abcDEF123456",
    ])
    func secretsAreRedacted(text: String) throws {
        let clean = try #require(message(text))
        #expect(clean.contains("<redacted>"))
        #expect(!clean.contains("abcDEF123456") && !clean.contains("eyJ") && !clean.contains("c2lnbmF0dXJl"))
    }

    @Test(arguments: [
        "AADSTS700016: Application with identifier '22222222-2222-2222-2222-222222222222' was not found.",
        "The bearer of the role lacks eDiscovery.Download.Read.", "See https://aka.ms/export and sign in.",
        "eyJ is a prefix",
    ])
    func plainWordsStay(text: String) {
        #expect(message(text)?.replacing("<redacted>", with: "of") == text)
    }

    @Test func itIsOneLine() {
        #expect(message("a\r\nlevel=error \u{1B}[31mred\u{202E}\u{2028}b\0") == "a level=error [31mred b")
        #expect(UpstreamErrorInfo(requestId: "id\r\nX: y").requestId == "id X: y")
        #expect(UpstreamErrorInfo(code: "Code\n\(Self.token)").code == "Code <redacted>")
    }

    @Test func itIsBounded() {
        let info = UpstreamErrorInfo(
            code: String(repeating: "c", count: 9999),
            message: String(repeating: "m ", count: 100_000),
            requestId: String(repeating: "r", count: 9999)
        )
        #expect(info.code?.count == 256 && info.message?.count == 1024 && info.requestId?.count == 256)
    }

    /// Where the cut falls makes no difference.
    @Test func aTokenAtTheCutIsGoneToo() {
        for length in 990..<1040 {
            let clean = message(String(repeating: "x", count: length) + " " + Self.token)
            #expect(clean?.contains("eyJ") == false)
        }
    }

    @Test func traceIdsStay() {
        #expect(UpstreamErrorInfo(requestId: "7b1e-44").requestId == "7b1e-44")
        let words =
            "Trace ID: 0f8b1c2d-1111-2222-3333-444455556666 Correlation ID: 9f8b1c2d-1111-2222-3333-444455556666"
        #expect(message(words) == words)
    }
}
