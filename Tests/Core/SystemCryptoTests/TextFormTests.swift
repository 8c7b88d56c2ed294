import Testing

import SystemCrypto

@Suite struct HexadecimalTests {
    @Test func bothWays() {
        let bytes = (0...255).map { UInt8($0) }
        let text = Hexadecimal.encode(bytes)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(Hexadecimal.decode(text) == bytes)
        #expect(Hexadecimal.decode(text.uppercased()) == bytes)
        #expect(Hexadecimal.decode("") == [])
    }

    @Test(arguments: ["0", "0g", "0x10", " 00", "00 ", "٠٠", "é0"])
    func refused(text: String) {
        #expect(Hexadecimal.decode(text) == nil)
    }
}

@Suite struct Base64URLTests {
    // RFC 4648, 10, without padding; and the two characters that differ from plain base 64.
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"), ("??>>", "Pz8-Pg"), ("???", "Pz8_"),
    ])
    func known(plain: String, text: String) {
        #expect(Base64URL.encode(Array(plain.utf8)) == text)
        #expect(Base64URL.decode(text) == Array(plain.utf8))
        let padded = text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        #expect(Base64URL.decode(padded, paddingAllowed: true) == Array(plain.utf8))
        if padded != text { #expect(Base64URL.decode(padded) == nil) }
    }

    @Test(arguments: ["Z", "Zg=", "Zg===", "Zm8==", "Zm9v====", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm 9v", "=", "==", "é"])
    func refused(text: String) {
        #expect(Base64URL.decode(text) == nil)
        #expect(Base64URL.decode(text, paddingAllowed: true) == nil)
    }

    @Test func everyLengthOfRandomBytes() {
        for count in 0..<200 {
            let bytes = randomBytes(count)
            #expect(bytes.count == count)
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
    }
}

@Suite struct ComparisonAndRandomnessTests {
    @Test func comparesWholeContents() {
        #expect(constantTimeEquals([], []))
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEquals([0, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEquals([1, 2], [1, 2, 3]))
        #expect(!constantTimeEquals([], [0]))
    }

    @Test func randomBytesDiffer() {
        // 2^-256 is the chance that this fails by accident.
        #expect(randomBytes(32) != randomBytes(32))
    }

    @Test func generatorServesTheStandardLibrary() {
        var random = SystemRandom()
        let values = Set((0..<64).map { _ in random.next() })
        #expect(values.count == 64)
        #expect((0..<100).allSatisfy { _ in (5...9).contains(Int.random(in: 5...9, using: &random)) })
    }
}
