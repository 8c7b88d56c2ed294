import HTTPFields
import Testing
import TestSupport

@testable import DownloadRelay

@Suite struct AcceptEncodingTests {
    struct Case: Sendable {
        var field: String?
        /// For a file that gains by a coding, and for one that does not.
        var gaining: ContentCoding?
        var other: ContentCoding?

        init(_ field: String?, _ gaining: ContentCoding?, _ other: ContentCoding?) {
            self.field = field
            self.gaining = gaining
            self.other = other
        }
    }

    static let table: [Case] = [
        Case(nil, .identity, .identity),
        Case("", .identity, .identity),
        Case("gzip", .gzip, .identity),
        Case("GZip", .gzip, .identity),
        Case("x-gzip", .gzip, .identity),
        Case("gzip, deflate, br, zstd", .zstd, .identity),
        Case("zstd", .zstd, .identity),
        Case("ZStd;q=0.001", .zstd, .identity),
        Case("zstd;q=0", .identity, .identity),
        Case("zstd;q=0, gzip", .gzip, .identity),
        Case("zstd, gzip;q=0", .zstd, .identity),
        Case("gzip;q=0.5, zstd;q=0.5", .zstd, .identity),
        Case("gzip;q=0.6, zstd;q=0.5", .gzip, .identity),
        Case("gzip;q=0.5, zstd;q=0.6", .zstd, .identity),
        Case("zstd;q=0.4, identity;q=0.5", .identity, .identity),
        Case("zstd;q=0.4, gzip;q=0.6, identity;q=0.5", .gzip, .identity),
        Case("zstd, identity;q=0", .zstd, .zstd),
        Case("zstd, gzip, *;q=0", .zstd, .zstd),
        Case("*, zstd;q=0.9", .gzip, .identity),
        Case("*, zstd", .zstd, .identity),
        Case("*, zstd;q=0", .gzip, .identity),
        Case("zstd, zstd;q=0", .identity, .identity),
        Case("*, gzip;q=0, identity;q=0", nil, nil),
        Case("deflate, br", .identity, .identity),
        Case("identity", .identity, .identity),
        Case("*", .gzip, .identity),
        Case("*;q=0.1", .gzip, .identity),
        Case("gzip;q=0", .identity, .identity),
        Case("gzip;q=0.000", .identity, .identity),
        Case("gzip;q=0.001", .gzip, .identity),
        Case("gzip;q=1.0, identity;q=0.5", .gzip, .identity),
        Case("gzip;q=0.5, identity;q=0.5", .gzip, .identity),
        Case("gzip;q=0.4, identity;q=0.5", .identity, .identity),
        Case("gzip;q=0.4, identity", .identity, .identity),
        Case("*;q=0.4, identity;q=0.5", .identity, .identity),
        Case("gzip;q=0.2, *;q=0.9", .gzip, .identity),
        Case("gzip;q=0, *", .identity, .identity),
        Case("gzip;q=0, *;q=0", nil, nil),
        Case("gzip, *;q=0", .gzip, .gzip),
        Case("gzip, identity;q=0", .gzip, .gzip),
        Case("identity;q=0", nil, nil),
        Case("identity;q=0, *", .gzip, .gzip),
        Case("*;q=0", nil, nil),
        Case("*;q=0, identity", .identity, .identity),
        Case("*;q=0, identity;q=0.001", .identity, .identity),
        Case("br;q=1, identity;q=0", nil, nil),
        Case(" gzip ; q=0.7 ", .gzip, .identity),
        Case("gzip;Q=0", .identity, .identity),
        Case(",, ,gzip,,", .gzip, .identity),
        Case("gzip;q=0, gzip", .identity, .identity),
        Case("gzip, x-gzip;q=0", .identity, .identity),
        // Not elements: as if they were not there.
        Case("gzip;q=2", .identity, .identity),
        Case("gzip;q=1.001", .identity, .identity),
        Case("gzip;q=0.1234", .identity, .identity),
        Case("gzip;q=-1", .identity, .identity),
        Case("gzip;q=", .identity, .identity),
        Case("gzip;q=.5", .identity, .identity),
        Case("gzip;q=nan", .identity, .identity),
        Case("gzip;level=9", .identity, .identity),
        Case("gzip;q=0.5;q=1", .identity, .identity),
        Case("gzip deflate", .identity, .identity),
        Case("\"gzip\"", .identity, .identity),
        Case("gzipp, xgzip, gzi", .identity, .identity),
        Case("gzip;q=1.", .gzip, .identity),
        Case("identity;q=zero", .identity, .identity),
        Case("\u{0}gzip\u{7F}", .identity, .identity),
        Case("gzıp", .identity, .identity),
        Case("gzip;q=٠", .identity, .identity),
    ]

    @Test(arguments: table)
    func selection(row: Case) {
        let accepted = AcceptEncoding(row.field)
        #expect(accepted.selected(worthwhile: true, allowed: true) == row.gaining)
        #expect(accepted.selected(worthwhile: false, allowed: true) == row.other)
    }

    @Test func whatIsNotOfferedIsNotSelected() {
        func selected(_ field: String, _ offered: [ContentCoding]) -> ContentCoding? {
            AcceptEncoding(field).selected(worthwhile: true, allowed: true, offered: offered)
        }
        #expect(selected("gzip, zstd", [.gzip]) == .gzip)
        #expect(selected("gzip, zstd", [.zstd]) == .zstd)
        #expect(selected("gzip", [.zstd]) == .identity)
        #expect(selected("zstd, identity;q=0", [.gzip]) == nil)
        #expect(selected("gzip, zstd", []) == .identity)
    }

    @Test func noCodingIsSelectedWhereItIsNotAllowed() {
        #expect(AcceptEncoding("zstd").selected(worthwhile: true, allowed: false) == .identity)
        #expect(AcceptEncoding("gzip").selected(worthwhile: true, allowed: false) == .identity)
        #expect(AcceptEncoding("gzip, identity;q=0").selected(worthwhile: true, allowed: false) == nil)
    }

    @Test func onlyAnExplicitWishIsTakingACoding() {
        for coding in ContentCoding.offered {
            #expect(AcceptEncoding(nil).weight(of: coding) == 0)
            #expect(AcceptEncoding("").weight(of: coding) == 0)
            #expect(AcceptEncoding("\(coding.rawValue);q=0.1, identity").weight(of: coding) == 100)
        }
        #expect(AcceptEncoding("*").weight(of: .gzip) == 1000)
        #expect(AcceptEncoding("*").weight(of: .zstd) == 0)
    }

    @Test func anythingIsReadWithoutHarm() {
        var random = SeededRandom(seed: 42)
        let parts = [
            "gzip", "x-gzip", "zstd", "identity", "*", ";", "q", "=", "0", "1", ".", "5", ",", " ", "\t", "\"", "\\",
            "é",
        ]
        for _ in 0..<20_000 {
            let field = (0..<Int.random(in: 0...14, using: &random))
                .map { _ in parts.randomElement(using: &random) ?? "" }
                .joined()
            let accepted = AcceptEncoding(field)
            for weight in [accepted.gzip, accepted.zstd, accepted.identity, accepted.others] {
                #expect((0...1000).contains(weight ?? 0))
            }
            if let selected = accepted.selected(worthwhile: true, allowed: true) {
                #expect(accepted.weight(of: selected) > 0)
            } else {
                #expect(ContentCoding.allCases.allSatisfy { accepted.weight(of: $0) == 0 })
            }
        }
    }
}

@Suite struct FieldListTests {
    @Test(arguments: [
        ("", []),
        (",, ,\t", []),
        ("a", ["a"]),
        (" a , b\t,c", ["a", "b", "c"]),
        (#"private="x, y", b"#, [#"private="x, y""#, "b"]),
        (#"a="\", b", c"#, [#"a="\", b""#, "c"]),
        (#"a, "b, c"#, ["a", #""b, c"#]),
    ])
    func elements(field: String, elements: [String]) {
        #expect(FieldList.elements(of: field).map(String.init) == elements)
    }

    @Test(arguments: [
        ("no-transform", true),
        ("max-age=0, No-Transform", true),
        ("no-transform=1", true),
        ("private=\"no-transform\"", false),
        ("private=\"a, no-transform, b\"", false),
        ("no-transformed", false),
        ("", false),
    ])
    func directives(field: String, isThere: Bool) {
        #expect(FieldList.cacheControl(field, has: "no-transform") == isThere)
        #expect(!FieldList.cacheControl(nil, has: "no-transform"))
    }
}
