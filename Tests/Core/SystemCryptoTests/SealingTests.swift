import Testing

@testable import SystemCrypto

@Suite struct AESGCMTests {
    struct Vector: Sendable {
        var key: String
        var nonce: String
        var plain: String
        var context: String
        var sealed: String
    }

    // The 256-bit cases 13, 14 and 16 of the GCM specification (McGrew, Viega).
    static let vectors = [
        Vector(
            key: String(repeating: "00", count: 32),
            nonce: String(repeating: "00", count: 12),
            plain: "",
            context: "",
            sealed: "530f8afbc74536b9a963b4f1c4cb738b"
        ),
        Vector(
            key: String(repeating: "00", count: 32),
            nonce: String(repeating: "00", count: 12),
            plain: String(repeating: "00", count: 16),
            context: "",
            sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
        ),
        Vector(
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: "cafebabefacedbaddecaf888",
            plain:
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5"
                + "aa0de657ba637b39",
            context: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            sealed:
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e63"
                + "93ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ]

    @Test(arguments: vectors)
    func knownAnswers(vector: Vector) throws {
        let key = try #require(Hexadecimal.decode(vector.key))
        let nonce = try #require(Hexadecimal.decode(vector.nonce))
        let plain = try #require(Hexadecimal.decode(vector.plain))
        let context = try #require(Hexadecimal.decode(vector.context))
        let sealed = try AESGCM.seal(plain, key: key, nonce: nonce, context: context)
        #expect(Hexadecimal.encode(sealed) == vector.sealed)
        #expect(try AESGCM.open(sealed, key: key, nonce: nonce, context: context) == plain)
    }
}

@Suite struct SealingKeysTests {
    private let plain = Array("a refresh token".utf8)
    private let context = Array("export 1".utf8)
    private let old = [UInt8](repeating: 7, count: 32)
    private let new = [UInt8](repeating: 9, count: 32)

    private func failure(_ keys: SealingKeys, _ sealed: [UInt8], _ context: [UInt8]) -> CryptoError.Code? {
        #expect(throws: CryptoError.self) { try keys.open(sealed, context: context) }?.code
    }

    @Test func whatIsSealedOpens() throws {
        let keys = try SealingKeys(current: "2026-1", keys: ["2026-1": old])
        let sealed = try keys.seal(plain, context: context)
        #expect(try keys.open(sealed, context: context) == plain)
        #expect(try keys.open(keys.seal([], context: []), context: []) == [])
        #expect(try keys.seal(plain, context: context) != sealed)
        #expect(!sealed.contains(sequence: plain))
    }

    @Test func nothingMayBeChanged() throws {
        let keys = try SealingKeys(current: "k", keys: ["k": old, "l": new])
        let sealed = try keys.seal(plain, context: context)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: CryptoError.self) { try keys.open(changed, context: context) }
        }
        #expect(failure(keys, sealed, []) == .notAuthentic)
        for count in 0..<sealed.count {
            #expect(throws: CryptoError.self) { try keys.open(Array(sealed.prefix(count)), context: context) }
        }
    }

    @Test func keysAreRotated() throws {
        let before = try SealingKeys(current: "old", keys: ["old": old])
        let during = try SealingKeys(current: "new", keys: ["old": old, "new": new])
        let after = try SealingKeys(current: "new", keys: ["new": new])
        let sealed = try before.seal(plain, context: context)
        #expect(try during.open(sealed, context: context) == plain)
        #expect(during.isOutdated(sealed))
        let again = try during.seal(during.open(sealed, context: context), context: context)
        #expect(!during.isOutdated(again))
        #expect(try after.open(again, context: context) == plain)
        #expect(failure(after, sealed, context) == .unknownKey)
        #expect(failure(try SealingKeys(current: "old", keys: ["old": new]), sealed, context) == .notAuthentic)
    }

    @Test func keysThatAreNone() {
        let long = String(repeating: "x", count: 65)
        for (current, keys) in [
            ("a", [:]), ("a", ["b": old]), ("a", ["a": Array(old.dropLast())]), ("", ["": old]), (long, [long: old]),
            ("a", ["a": old, "b": []]),
        ] as [(String, [String: [UInt8]])] {
            let error = #expect(throws: CryptoError.self) { try SealingKeys(current: current, keys: keys) }
            #expect(error?.code == .unsupportedKey)
        }
    }

    @Test func theyDoNotPrintThemselves() throws {
        let keys = try SealingKeys(current: "k", keys: ["k": old])
        var dumped = ""
        dump(keys, to: &dumped)
        for text in ["\(keys)", String(reflecting: keys), dumped] { #expect(!text.contains("7")) }
    }
}

extension [UInt8] {
    fileprivate func contains(sequence other: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: other) }
    }
}
