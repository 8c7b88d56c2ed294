import Exports
import HTTPFields
import Testing

@Suite struct FieldListTests {
    @Test func quotedCommasSeparateNothing() {
        let elements = FieldList.elements(of: "a, \"b,c\" ,, d;x=\"1,\\\"2\"")
        #expect(elements == ["a", "\"b,c\"", "d;x=\"1,\\\"2\""])
        #expect(FieldList.elements(of: " ,\t, ").isEmpty)
        #expect(FieldList.elements(of: "a, \"b, c") == ["a", "\"b, c"])
        // A backslash outside of a quoted string escapes nothing.
        #expect(FieldList.elements(of: "a\\,b") == ["a\\", "b"])
    }

    @Test func onlySpacesAndTabsAreTrimmed() {
        #expect(FieldList.trimmed(" \t a b\t ") == "a b")
        #expect(FieldList.trimmed("\u{a0}a\n") == "\u{a0}a\n")
        #expect(FieldList.trimmed(" \t").isEmpty)
    }

    @Test func directivesAreFoundWithAndWithoutAnArgument() {
        for field in ["no-cache", "max-age=0, No-Cache", "no-cache=\"Set-Cookie, X\""] {
            #expect(FieldList.cacheControl(field, has: "no-cache"), "\(field)")
        }
        for field in [nil, "", "no-store", "x=\"no-cache\"", "x=\", no-cache,\"", "no-cache2"] {
            #expect(!FieldList.cacheControl(field, has: "no-cache"), "\(field ?? "nil")")
        }
    }

    @Test func tokens() {
        for text in ["a", "X-1_~!", "gzip"] { #expect(FieldToken.isValid(text), "\(text)") }
        for text in ["", "a b", "a,b", "a\"", "é", "a/b"] { #expect(!FieldToken.isValid(text), "\(text)") }
    }
}

@Suite struct FieldParametersTests {
    @Test func theFirstOfANameCounts() {
        let element = FieldParameters("text/plain; Charset=\"utf\\-8\"; x; charset=other")
        #expect(element.value == "text/plain")
        #expect(element["charset"] == "utf-8" && element["x"] == "" && element["y"] == nil)
        #expect(FieldParameters("").value == "")
        #expect(FieldParameters(" a ; b=\"c;d\" ")["b"] == "c;d")
    }

    @Test func pairs() {
        #expect(FieldParameters.pair(" wait = \"1\" ") == ("wait", "1"))
        #expect(FieldParameters.pair("respond-async").value == nil)
        #expect(FieldParameters.pair("a=b=c") == ("a", "b=c"))
    }
}

@Suite struct QualityValueTests {
    @Test(
        arguments: [
            ("0", 0, 0), ("1", 1000, 1000), ("0.5", 500, 500), ("0.001", 1, 1), ("1.000", 1000, 1000), ("0.", 0, 0),
            ("0.0001", nil, 1), ("1.001", nil, 1000), ("2", nil, 1000), ("-1", nil, 0), (".5", nil, 500),
            ("1e-3", nil, 1), ("", nil, 1000), ("x", nil, 1000), ("nan", nil, 1000), ("0.5 ", nil, 1000),
        ] as [(String, Int?, Int)]
    )
    func reads(text: String, strict: Int?, lenient: Int) {
        #expect(QualityValue.strict(text) == strict)
        #expect(QualityValue.lenient(text) == lenient)
    }

    @Test func noneIsTheHighest() { #expect(QualityValue.lenient(nil) == QualityValue.most) }
}

@Suite struct PercentEncodingTests {
    @Test(
        arguments: [
            ("a%2Fb", "a/b", "a/b"), ("%E6%bc%a2", "漢", "漢"), ("a+b", "a+b", "a+b"), ("", "", ""),
            ("100%", nil, "100%"), ("%2", nil, "%2"), ("%zz", nil, "%zz"), ("%FF", nil, "\u{fffd}"),
            ("%%41", nil, "%A"),
        ] as [(String, String?, String)]
    )
    func decodes(text: String, strict: String?, lenient: String) {
        #expect(PercentEncoding.decode(text) == strict)
        #expect(PercentEncoding.decodeLeniently(text) == lenient)
    }

    @Test func aPlusIsASpaceInForms() {
        #expect(PercentEncoding.decode("a+b%2B", plusIsSpace: true) == "a b+")
        #expect(PercentEncoding.decodeLeniently("a+b%2B%", plusIsSpace: true) == "a b+%")
    }

    @Test func whatIsEncodedComesBack() {
        for value in 0...UInt8.max {
            let text = String(Unicode.Scalar(value))
            let encoded = PercentEncoding.encode(text)
            #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
            #expect(PercentEncoding.decode(encoded) == text)
        }
        #expect(PercentEncoding.encode("-._~aZ9/ é", keeping: "/") == "-._~aZ9/%20%C3%A9")
        #expect(PercentEncoding.encode("ü", lowerCase: true) == "%c3%bc")
    }
}

@Suite struct EntityTagTests {
    @Test func listsEndAtTheFirstFault() {
        let (a, b) = (EntityTag(opaque: "a", isWeak: false), EntityTag(opaque: "b,c", isWeak: true))
        #expect(EntityTag.list("\"a\" , W/\"b,c\",,") == [a, b])
        #expect(EntityTag.list("\"a\", b, \"c\"") == [a])
        #expect(EntityTag.list("w/\"a\"").isEmpty)
        #expect(EntityTag.list("\"a").isEmpty)
        #expect([a, b].map(\.field) == ["\"a\"", "W/\"b,c\""])
    }

    @Test func ifNoneMatchComparesWeakly() {
        let tag = EntityTag(opaque: "a", isWeak: true)
        for field in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", " * "] { #expect(tag.isNamed(by: field), "\(field)") }
        for field in ["", "a", "\"A\"", "\"b\"", "**"] { #expect(!tag.isNamed(by: field), "\(field)") }
    }

    @Test func ifRangeHasOneTag() {
        #expect(EntityTag(ifRange: " \"a\"\t") == EntityTag(opaque: "a", isWeak: false))
        #expect(EntityTag(ifRange: "W/\"a\"")?.isWeak == true)
        for field in ["", "\"a\", \"b\"", "Sun, 06 Nov 1994 08:49:37 GMT", "\"a\"x"] {
            #expect(EntityTag(ifRange: field) == nil, "\(field)")
        }
    }
}

@Suite struct HTTPDateTests {
    private static let date = Timestamp(milliseconds: 784_111_777_000)
    private static let now = Timestamp(milliseconds: 1_780_000_000_000)

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    ])
    func readsEachForm(text: String) {
        #expect(HTTPDate.parse(text, at: Self.now) == Self.date)
    }

    @Test(arguments: ["", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Foo 1994 08:49:37 GMT", "06 Nov 1994"])
    func refuses(text: String) {
        #expect(HTTPDate.parse(text, at: Self.now) == nil)
    }

    @Test func writesTheOneThatIsSent() {
        #expect(HTTPDate.text(Self.date) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(Timestamp(milliseconds: -1)) == "Wed, 31 Dec 1969 23:59:59 GMT")
    }
}
