import Foundation
import HTTPFields
import Testing

@testable import DownloadRelay

/// Whatever a file is called: the name that goes out is one file in the reader's own folder, and comes back from the
/// field as it was put in.
@Suite struct ContentDispositionFuzzTests {
    static let words = [
        "report", ".csv", ".", "..", "../", "/", "\\", ":", "*", "?", "\"", "<", ">", "|", " ", "\u{A0}", "\u{3000}",
        "\r\n", "\n", "\0", "\u{7F}", "\u{85}", "\u{2028}", "\u{202E}", "\u{200D}", "\u{FEFF}", "\u{301}", "\u{20E3}",
        "CON", "con", "nul", "COM1", "com¹", "LPT9", "CONIN$", "aux", "%", "%00", "%2F", "'", ";", "=", "é", "e\u{301}",
        "日本語", "👨‍👩‍👧", "🇩🇪", "\u{1100}\u{1161}", "~", ",", "filename=", "\u{E000}", "\u{10FFFF}", "a",
        String(repeating: "x", count: 70), String(repeating: "ü", count: 40), String(repeating: "\u{301}", count: 60),
        ".extension-that-is-long", ".gz",
    ]

    @Test func namesAreSafe() {
        Fuzzing(executions: 3000)
            .run("Content-Disposition") {
                $0.text(of: Self.words, most: 10)
            } check: {
                Self.check($0)
            }
    }

    /// Names that once came out wrong, or nearly.
    @Test(arguments: [
        "COM1%" + String(repeating: "\u{301}", count: 80) + " M",
        "LPT9'" + String(repeating: "\u{301}", count: 80) + ".csv", "", ".", "CON.\u{301}csv", "COM1 .txt", "a\r\nb",
        "nul\u{200D}.csv", "\u{301}", ".\u{301}csv",
        String(repeating: "x", count: 148) + ". a", String(repeating: "x", count: 200) + ".\u{301}csv",
    ])
    func seeds(name: String) {
        Self.check(name)
    }

    private static func check(_ name: String) {
        let safe = FileName.safe(name)
        let shown = "\(name.debugDescription) → \(safe.debugDescription)"
        let scalars = Array(safe.unicodeScalars)
        #expect(!scalars.isEmpty, "\(shown)")
        #expect(safe.utf8.count <= FileName.longestName, "\(shown)")
        #expect(!scalars.contains { "/\\:*?\"<>|".unicodeScalars.contains($0) }, "\(shown)")
        #expect(!scalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }, "\(shown)")
        #expect(!scalars.contains { [0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0xFEFF].contains($0.value) }, "\(shown)")
        for end in [scalars.first, scalars.last] {
            #expect(end.map { $0 != "." && !$0.properties.isWhitespace } == true, "\(shown)")
        }
        // Windows looks at what stands before the first point, one code unit after the other, and drops spaces.
        let stem = safe.unicodeScalars.prefix { $0 != "." }.map(String.init).joined()
            .trimmingCharacters(in: .whitespaces).uppercased()
        #expect(stem.wholeMatch(of: #/CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]/#) == nil, "\(shown)")
        #expect(
            FileName.safe(safe).unicodeScalars.elementsEqual(scalars),
            "\(shown): not once and for all"
        )

        let field = ContentDisposition.attachment(named: name)
        #expect(field.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(field.debugDescription)")
        let form = #/attachment; filename="([^"\\%]*)"; filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})*)/#
        guard let match = field.wholeMatch(of: form) else {
            Issue.record("\(field.debugDescription)")
            return
        }
        #expect(String(match.output.2).removingPercentEncoding.map { Array($0.unicodeScalars) } == scalars, "\(shown)")
    }
}
