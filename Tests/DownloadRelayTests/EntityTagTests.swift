import Exports
import Testing

@testable import DownloadRelay

@Suite struct EntityTagTests {
    let id = Scene().export.id

    private func tag(_ file: ExportFile, _ coding: ContentCoding = .identity) -> String {
        EntityTag(of: file, in: id, coding: coding).field
    }

    @Test func madeFromTheRecord() {
        #expect(tag(csv) == "W/\"\(id).1\"")
        #expect(tag(csv, .gzip) == "W/\"\(id).1-gzip\"")
        #expect(tag(ExportFile(id: "2", name: "a", size: 77)) == "W/\"\(id).2.77\"")
        let digest = String(repeating: "0123456789abcdef", count: 4)
        #expect(tag(ExportFile(id: "2", name: "a", size: 77, sha256: digest)) == "W/\"\(id).2.\(digest.prefix(32))\"")
    }

    @Test func hostileFileIDsStayWithinTheQuotes() {
        #expect(tag(ExportFile(id: "a\"b c\r\né", name: "a")) == "W/\"\(id).a~22b~20c~0d~0a~c3~a9\"")
        #expect(tag(ExportFile(id: "a.b", name: "a")) != tag(ExportFile(id: "a~b", name: "a")))
    }

    @Test(arguments: [
        ("*", true),
        (" * ", true),
        ("W/\"a\"", true),
        ("\"a\"", true),
        ("\"x\", W/\"y\", \"a\"", true),
        ("\"x\",\"a\"", true),
        (",, \"a\"", true),
        ("\"a-gzip\"", true),
        ("\"x,a\", \"a\"", true),
        ("\"x,\"a\"", false),
        ("\"A\"", false),
        ("\"b\"", false),
        ("\"\"", false),
        ("a", false),
        ("w/\"a\"", false),
        ("W/a", false),
        ("\"a", false),
        ("garbage, \"a\"", false),
        ("**", false),
        ("\"x\" *", false),
        ("", false),
    ])
    func matching(field: String, isMatch: Bool) {
        #expect(EntityTag.anyMatch(field, [EntityTag(opaque: "a"), EntityTag(opaque: "a-gzip")]) == isMatch)
        #expect(!EntityTag.anyMatch(nil, [EntityTag(opaque: "a")]))
    }

    @Test func anythingIsReadWithoutHarm() {
        var random = FixedRandom(state: 99)
        let parts = ["\"", "W/", "a", ",", " ", "*", "\\", "é", "\t", "\"a\"", "W/\"a\""]
        for _ in 0..<20_000 {
            let field = (0..<Int.random(in: 0...10, using: &random))
                .map { _ in parts.randomElement(using: &random) ?? "" }
                .joined()
            if EntityTag.anyMatch(field, [EntityTag(opaque: "a")]) {
                #expect(field.contains("\"a\"") || field.contains("*"))
            }
        }
    }
}

@Suite struct CompressibleTypesTests {
    @Test(arguments: [
        ("a.csv", nil, true),
        ("a.CSV", nil, true),
        ("a.json", "application/json; charset=utf-8", true),
        ("a.xml", "application/octet-stream", true),
        ("a.mhtml", "multipart/related", true),
        ("a.html", nil, true),
        ("a.tsv", nil, true),
        ("a.svg", "image/svg+xml", true),
        ("a.bmp", "image/bmp", true),
        ("a.emf", nil, true),
        ("a.tiff", "image/tiff", true),
        ("a", "text/csv", true),
        ("a", "TEXT/CSV;charset=utf-8", true),
        ("a", "application/problem+json", true),
        ("a.eml", "message/rfc822", true),
        ("a.zip", nil, false),
        ("a.zip", "text/plain", false),
        ("a.csv", "application/zip", false),
        ("a.csv.gz", nil, false),
        ("a.pdf", "application/pdf", false),
        ("a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", false),
        ("a.xlsx", nil, false),
        ("a.docx", nil, false),
        ("a.png", "image/png", false),
        ("a.jpeg", nil, false),
        ("a.gif", nil, false),
        ("a.pst", nil, false),
        ("a", "image/webp", false),
        ("a", nil, false),
        ("a", "application/octet-stream", false),
        ("a.unheard-of", nil, false),
        ("csv", nil, false),
        ("a.", nil, false),
        ("", "", false),
    ])
    func table(name: String, type: String?, gains: Bool) {
        #expect(CompressibleTypes.gain(ExportFile(id: "1", name: name, contentType: type)) == gains)
    }

    @Test(arguments: [
        ("a.html", nil, true), ("a.HTM", nil, true), ("a.mhtml", nil, true), ("a", "text/html; charset=utf-8", true),
        ("a", "Application/XHTML+XML", true), ("a.csv", "text/csv", false), ("html", nil, false), ("a", nil, false),
    ])
    func webPages(name: String, type: String?, isPage: Bool) {
        #expect(CompressibleTypes.isWebPage(ExportFile(id: "1", name: name, contentType: type)) == isPage)
    }
}
