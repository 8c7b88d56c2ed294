import HTTPFields
import Testing
import TestSupport

@testable import DownloadRelay

@Suite struct ContentDispositionTests {
    @Test(arguments: [
        ("report.csv", "report.csv"),
        ("Sales Q1 (final).xlsx", "Sales Q1 (final).xlsx"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Windows\\win.ini", "C__Windows_win.ini"),
        ("a\u{0}b\r\nSet-Cookie: x=1\u{7F}.csv", "abSet-Cookie_ x=1.csv"),
        ("quo\"te'd.csv", "quo_te'd.csv"),
        ("what?*<>|.csv", "what_____.csv"),
        (".htaccess", "htaccess"),
        ("...", "download"),
        ("", "download"),
        ("   ", "download"),
        (" . .. ", "download"),
        ("name. . .", "name"),
        ("\u{202E}vsc.exe", "vsc.exe"),
        ("in\u{2066}voice\u{2069}\u{200F}.pdf", "invoice.pdf"),
        ("zero\u{200B}width\u{FEFF}.csv", "zerowidth.csv"),
        ("line\u{2028}sep\u{2029}.csv", "linesep.csv"),
        ("tag\u{E0041}\u{E007F}.csv", "tag.csv"),
        ("\u{A0}no-break\u{A0}", "no-break"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("lpt9 .csv", "_lpt9 .csv"),
        ("com¹.csv", "_com¹.csv"),
        ("aux", "_aux"),
        ("CONIN$", "_CONIN$"),
        ("console.csv", "console.csv"),
        ("com10.csv", "com10.csv"),
        ("Übersicht-日本.csv", "Übersicht-日本.csv"),
    ])
    func safeNames(name: String, safe: String) {
        #expect(FileName.safe(name) == safe)
    }

    @Test func longNamesKeepTheirExtension() {
        let long = FileName.safe(String(repeating: "x", count: 5000) + ".csv")
        #expect(long == String(repeating: "x", count: 146) + ".csv")
        let wide = FileName.safe(String(repeating: "日", count: 200) + ".json")
        #expect(wide == String(repeating: "日", count: 48) + ".json")
        let noExtension = FileName.safe("a." + String(repeating: "y", count: 400))
        #expect(noExtension.utf8.count == 150)
        let accents = FileName.safe("a" + String(repeating: "\u{301}", count: 5000) + ".csv")
        #expect(accents == "download.csv")
        let family = FileName.safe(String(repeating: "e\u{301}", count: 100) + ".csv")
        #expect(family == String(repeating: "e\u{301}", count: 48) + ".csv")
    }

    @Test(arguments: [
        ("report.csv", #"attachment; filename="report.csv"; filename*=UTF-8''report.csv"#),
        ("Sales Q1.xlsx", #"attachment; filename="Sales Q1.xlsx"; filename*=UTF-8''Sales%20Q1.xlsx"#),
        ("Übersicht.csv", #"attachment; filename="_bersicht.csv"; filename*=UTF-8''%C3%9Cbersicht.csv"#),
        ("€ rates.txt", #"attachment; filename="_ rates.txt"; filename*=UTF-8''%E2%82%AC%20rates.txt"#),
        ("100%41.csv", #"attachment; filename="100_41.csv"; filename*=UTF-8''100%2541.csv"#),
        ("a;b=c'd.csv", #"attachment; filename="a;b=c'd.csv"; filename*=UTF-8''a%3Bb%3Dc%27d.csv"#),
        ("\"\r\nX: y", #"attachment; filename="_X_ y"; filename*=UTF-8''_X_%20y"#),
    ])
    func fieldValues(name: String, value: String) {
        #expect(ContentDisposition.attachment(named: name) == value)
    }

    @Test func anyNameGivesAHarmlessField() {
        var random = SeededRandom(seed: 4711)
        let nasty: [Unicode.Scalar] = [
            "/", "\\", "\"", "'", ".", " ", "%", ";", "\r", "\n", "\0", "\u{7F}", "\u{85}", "\u{202E}", "\u{2066}",
            "\u{200D}", "\u{301}", "é", "日", "😀", "C", "O", "N", ":", "a", "\u{FFFE}", "\u{E000}", "\u{10FFFF}",
        ]
        for _ in 0..<5000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...60, using: &random) {
                scalars.append(nasty.randomElement(using: &random) ?? "x")
            }
            let name = FileName.safe(String(scalars))
            #expect((1...150).contains(name.utf8.count))
            #expect(name.first != "." && name.last != "." && name.first != " " && name.last != " ")
            #expect(!name.unicodeScalars.contains { $0 == "/" || $0 == "\\" || $0 == "\"" || $0.value < 32 })
            #expect(FileName.safe(name) == name)

            let value = ContentDisposition.attachment(named: String(scalars))
            #expect(value.utf8.allSatisfy { (0x20...0x7E).contains($0) })
            #expect(value.utf8.count { $0 == UInt8(ascii: "\"") } == 2)
            #expect(value.hasPrefix("attachment; filename=\"") && value.contains("\"; filename*=UTF-8''"))
        }
    }
}
