import HTTPFields
import StoredZip
import Testing

@Suite struct ArchiveNamesTests {
    private func names(_ names: [String]) -> [String] {
        FileName.distinct(names)
    }

    @Test func ordinaryNamesStay() {
        #expect(
            names(["Items.1.zip", "Report (2).csv", "Zwölf ☕️.pdf"]) == ["Items.1.zip", "Report (2).csv", "Zwölf ☕️.pdf"]
        )
        #expect(names([]) == [])
    }

    @Test func duplicatesAreNumbered() {
        #expect(names(["a.csv", "a.csv", "a.csv", "b"]) == ["a.csv", "a (2).csv", "a (3).csv", "b"])
        #expect(names(["a", "a"]) == ["a", "a (2)"])
        #expect(names(["a.tar.gz", "a.tar.gz"]) == ["a.tar.gz", "a.tar (2).gz"])
    }

    @Test func aNumberThatIsTakenIsPassedOver() {
        #expect(names(["a (2).csv", "a.csv", "a.csv"]) == ["a (2).csv", "a.csv", "a (3).csv"])
        #expect(names(["a.csv", "a.csv", "a (2).csv"]) == ["a.csv", "a (2).csv", "a (2) (2).csv"])
    }

    @Test func namesThatSomeSystemTakesForEqualAreNumbered() {
        #expect(names(["A.csv", "a.CSV"]) == ["A.csv", "a (2).CSV"])
        // One letter, composed and decomposed.
        #expect(
            names(["\u{E4}.csv", "a\u{308}.csv"]).map { Array($0.utf8) } == [
                Array("\u{E4}.csv".utf8), Array("a\u{308} (2).csv".utf8),
            ]
        )
    }

    @Test(arguments: [
        "../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "C:\\Windows\\win.ini", "..", ".", "", "   ", "\u{0}",
        "a\u{0}b",
        "\n", "nul", "CON.txt", "con", "a/b/../c", "\u{202E}gpj.exe", ".bashrc", "x:y", "-rf", "~root", "\u{FEFF}",
        String(repeating: "n", count: 70_000), String(repeating: "😀", count: 1000) + ".csv", "a\\\u{0}/..",
    ])
    func noNameLeadsOutOfTheFolder(_ hostile: String) throws {
        let all = names([hostile, hostile, "plain", hostile])
        #expect(Set(all.map { $0.lowercased() }).count == 4)
        for name in all {
            #expect(!name.contains("/") && !name.contains("\\") && name != ".." && name != "." && !name.isEmpty)
            #expect(name.utf8.count <= FileName.longestName + 5)
            // The writer itself takes no name that could do harm.
            #expect(ZipMember(name: name, modified: 0) != nil)
        }
    }

    @Test func manyDuplicatesTakeNoLongerThanTheyAreMany() {
        let all = names(Array(repeating: "same.csv", count: 5000))
        #expect(Set(all).count == 5000)
        #expect(all.last == "same (5000).csv")
    }
}
