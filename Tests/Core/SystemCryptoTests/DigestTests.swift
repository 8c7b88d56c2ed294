import Testing

import SystemCrypto

@Suite struct SHA256Tests {
    // RFC 6234, 8.5 (SHA-256 vectors), and the empty message of FIPS 180-4's examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func knownDigests(message: String, digest: String) {
        #expect(Hexadecimal.encode(SHA256.hash(Array(message.utf8))) == digest)
    }

    @Test func oneMillionLettersInPieces() {
        var hash = SHA256()
        let piece = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
        for _ in 0..<1000 { hash.update(piece) }
        let digest = hash.finalize()
        #expect(
            Hexadecimal.encode(digest) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        )
    }

    @Test func everyFormOfInputGivesTheSameDigest() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        var raw = SHA256()
        bytes.withUnsafeBytes { raw.update($0) }
        let ofRaw = raw.finalize()
        var lazily = SHA256()
        lazily.update((0..<300).lazy.map { UInt8(truncatingIfNeeded: $0) })
        let ofLazy = lazily.finalize()
        var split = SHA256()
        split.update(bytes[..<7])
        split.update([UInt8]())
        split.update(bytes[7...])
        let ofSplit = split.finalize()
        #expect(ofRaw == SHA256.hash(bytes))
        #expect(ofLazy == ofRaw)
        #expect(ofSplit == ofRaw)
    }

    @Test func abandonedDigestIsNoFault() {
        var hash = SHA256()
        hash.update([1, 2, 3])
        #expect(SHA256.hash([]).count == SHA256.byteCount)
    }

    @Test func theLibraryPassesItsCheck() {
        #expect(throws: Never.self) { try SystemCrypto.check() }
    }
}

@Suite struct HMACSHA256Tests {
    struct Vector: Sendable {
        var key: [UInt8]
        var message: [UInt8]
        var code: String
    }

    // RFC 4231, 4.2–4.8; case 5 is truncated there.
    static let vectors: [Vector] = [
        Vector(
            key: [UInt8](repeating: 0x0B, count: 20),
            message: Array("Hi There".utf8),
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        Vector(
            key: Array("Jefe".utf8),
            message: Array("what do ya want for nothing?".utf8),
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        Vector(
            key: [UInt8](repeating: 0xAA, count: 20),
            message: [UInt8](repeating: 0xDD, count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        Vector(
            key: Array(1...25),
            message: [UInt8](repeating: 0xCD, count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        Vector(
            key: [UInt8](repeating: 0x0C, count: 20),
            message: Array("Test With Truncation".utf8),
            code: "a3b6167473100ee06e0c796c2955552b"
        ),
        Vector(
            key: [UInt8](repeating: 0xAA, count: 131),
            message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        Vector(
            key: [UInt8](repeating: 0xAA, count: 131),
            message: Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.")
                    .utf8
            ),
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ]

    @Test(arguments: vectors)
    func knownCodes(vector: Vector) {
        let code = HMACSHA256.authenticationCode(for: vector.message, key: vector.key)
        #expect(code.count == 32)
        #expect(Hexadecimal.encode(code).hasPrefix(vector.code))
    }

    @Test func emptyKeyAndMessage() {
        #expect(
            Hexadecimal.encode(HMACSHA256.authenticationCode(for: [], key: []))
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        )
    }
}
