import HTTPFields
import Exports
import Testing
import TestSupport

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
        #expect(tag(ExportFile(id: "2", name: "a", size: 77, sha256: digest)) == "\"\(id).2.\(digest.prefix(32))\"")
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
        let base = "\(id).1.\(Self.digest.prefix(32))"
        let named = field.replacing("\"a\"", with: "\"\(base)\"").replacing("\"a-gzip\"", with: "\"\(base)-gzip\"")
        let verdict = Preconditions(Self.proved, id).verdict(ifMatch: nil, ifNoneMatch: named, isPart: false)
        #expect(verdict == (isMatch ? .notModified : .goOn))
    }

    @Test func aPartIsNotTheEncodedFile() {
        let conditions = Preconditions(Self.proved, id)
        let base = "\(id).1.\(Self.digest.prefix(32))"
        #expect(conditions.verdict(ifMatch: nil, ifNoneMatch: "W/\"\(base)-gzip\"", isPart: true) == .goOn)
        #expect(conditions.verdict(ifMatch: nil, ifNoneMatch: "W/\"\(base)\"", isPart: true) == .notModified)
    }

    static let digest = String(repeating: "0123456789abcdef", count: 4)
    /// Its digest is confirmed.
    static let proved = ExportFile(id: "1", name: "a.csv", size: 77, sha256: digest)

    @Test func aDigestOrAnUpstreamMakesItStrong() {
        let validator = "\"0x8D-4B\""
        #expect(
            EntityTag(of: csv, in: id, coding: .identity, validator: validator).field == "\"\(id).1.v0x8D~2d4B\""
        )
        #expect(
            EntityTag(of: Self.proved, in: id, coding: .identity, validator: validator).field
                == "\"\(id).1.\(Self.digest.prefix(32)).v0x8D~2d4B\""
        )
        // An encoding is made again each time.
        #expect(
            EntityTag(of: Self.proved, in: id, coding: .gzip, validator: validator).field
                == "W/\"\(id).1.\(Self.digest.prefix(32))-gzip\""
        )
        for unfit in ["W/\"a\"", "abc", "\"\"", "\"a\"b\"", "\"é\"", "\"\(String(repeating: "a", count: 95))\""] {
            #expect(EntityTag(of: csv, in: id, coding: .identity, validator: unfit).isWeak)
        }
    }

    @Test func bringsTheUpstreamsValidatorBack() throws {
        for validator in ["\"0x8D-4B\"", "\"a.b~c\"", "\"!#$%&'()*+,/:;<=>?@[]^_`{|}\""] {
            let tag = EntityTag(of: csv, in: id, coding: .identity, validator: validator)
            let read = try #require(EntityTag(ifRange: tag.field))
            #expect(read == tag)
            #expect(read.validator(for: csv, in: id) == validator)
            // Also when the size or the digest became known in between.
            #expect(read.validator(for: Self.proved, in: id) == validator)
            #expect(read.validator(for: ExportFile(id: "2", name: "b"), in: id) == nil)
            #expect(tag.field.utf8.allSatisfy { (0x21...0x7E).contains($0) })
        }
        for forged in ["vab~zz", "va b", "v~0d~0a", "v", "v~41", "v~c3", "vé", "v~4"] {
            #expect(EntityTag(opaque: "\(id).1.\(forged)", isWeak: false).validator(for: csv, in: id) == nil)
        }
    }

    @Test func ifRangeIsComparedStrongly() {
        let weak = Preconditions(csv, id)
        let strong = Preconditions(Self.proved, id)
        let base = "\(id).1.\(Self.digest.prefix(32))"
        #expect(weak.condition(ifRange: nil) == .none)
        for field in ["", "*", "W/\"\(id).1\"", "\"\(id).1\"", "Sat, 21 Nov 2026 06:00:00 GMT", "\"x\""] {
            #expect(weak.condition(ifRange: field) == .fails)
        }
        #expect(strong.condition(ifRange: "\"\(base)\"") == .holds(EntityTag(opaque: base, isWeak: false)))
        for field in ["W/\"\(base)\"", "\"\(base)-gzip\"", "\"\(base)\", \"\(base)\"", "\"\(base)\"x"] {
            #expect(strong.condition(ifRange: field) == .fails)
        }
        let carrying = EntityTag(opaque: "\(id).1.vX", isWeak: false)
        #expect(weak.condition(ifRange: carrying.field) == .upstream(carrying, validator: "\"X\""))
        #expect(strong.condition(ifRange: carrying.field) == .upstream(carrying, validator: "\"X\""))
    }

    @Test func ifMatchIsComparedStrongly() {
        func verdict(_ file: ExportFile, _ ifMatch: String) -> Preconditions.Verdict {
            Preconditions(file, id).verdict(ifMatch: ifMatch, ifNoneMatch: nil, isPart: false)
        }
        let base = "\(id).1.\(Self.digest.prefix(32))"
        #expect(verdict(csv, "*") == .goOn)
        #expect(verdict(Self.proved, "\"x\", \"\(base)\"") == .goOn)
        #expect(verdict(Self.proved, "W/\"\(base)\"") == .failed)
        #expect(verdict(Self.proved, "\"\(base)-gzip\"") == .failed)
        #expect(verdict(csv, "\"\(id).1\"") == .failed)
        #expect(verdict(csv, "\"\(id).1.vX\", \"\(id).1.vY\"") == .dependsOn(["\"X\"", "\"Y\""]))
    }

    @Test func anythingIsReadWithoutHarm() {
        var random = SeededRandom(seed: 99)
        let parts = ["\"", "W/", "a", ",", " ", "*", "\\", "é", "\t", "\"\(id).1\"", "W/\"\(id).1\"", ".v", "~4"]
        let base = "\(id).1.\(Self.digest.prefix(32))"
        for _ in 0..<20_000 {
            let field = (0..<Int.random(in: 0...10, using: &random))
                .map { _ in parts.randomElement(using: &random) ?? "" }
                .joined()
            let proved = Preconditions(Self.proved, id)
            let named = field.replacing("\(id).1", with: base)
            if proved.verdict(ifMatch: nil, ifNoneMatch: named, isPart: false) == .notModified {
                #expect(named.contains("\"\(base)") || named.contains("*"))
            }
            let conditions = Preconditions(csv, id)
            if case .upstream(let tag, let validator) = conditions.condition(ifRange: field) {
                #expect(EntityTag(of: csv, in: id, coding: .identity, validator: validator) == tag)
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
