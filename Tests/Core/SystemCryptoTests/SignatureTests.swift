import Testing

import SystemCrypto

@Suite struct SignatureTests {
    private func bytes(_ text: String) throws -> [UInt8] { try #require(Hexadecimal.decode(text)) }

    /// RFC 7515, A.2.
    @Test func rs256AsTheStandardSigns() throws {
        let key = try PublicKey(
            modulus: #require(
                Base64URL.decode(
                    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
                        + "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e"
                        + "-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NA"
                        + "co9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
                )
            ),
            exponent: #require(Base64URL.decode("AQAB"))
        )
        let message = Array(
            ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
                + "Ijp0cnVlfQ")
                .utf8
        )
        let signature = try #require(
            Base64URL.decode(
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
                    + "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN"
                    + "9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A"
                    + "XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            )
        )
        expectOnly(signature, of: message, by: key, .rs256)
    }

    /// Wycheproof, rsa_pss_2048_sha256_mgf1_32, test 3.
    @Test func ps256AsOthersSign() throws {
        let key = try PublicKey(
            modulus: bytes(
                "00a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7cafd31878d80325b6ef5a1700f6"
                    + "5903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253facd20f79c15e8247f3d3e42e46e48c98e254a2fe976"
                    + "5313a03eff8f17e1a029397a1fa26a8dce26f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d94"
                    + "5a12be82de4d1ece6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcbba1b"
                    + "4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773066f453d1f5b4c2e9cf78202"
                    + "83f742b9d5"
            ),
            exponent: bytes("010001")
        )
        let signature = try bytes(
            "401eb03cdb47ca88033e3030f6bdecbac8f5c8fc1dd6a13d23d379ed9a2b309891d13d74fea9d21d159b9e6d8f37efa2489962e24555"
                + "f56dd434ff1d31ce4f9f5abd3f22cbea8b691d6a11e44efb83e2bca155e6a164325e0fde2a8865afd5c9f51161a9d615f62af7ec"
                + "2e31b3e5ab649c164490d31d88cfae35b84aea7925690f929a144b6d2f48e8fb894a52deecd1b9a6496990c4ecf1588699a42cac"
                + "d10c53af350514e4291ea9a058e77f101e32c1c0cefa61d945f7bc931f8bd19e7ba3169358a60e5a8b0123bc3199b9fdcafe8e51"
                + "9c41ba675491a27b85e44ef2d77277c10fe107293c8290186913bc9a99b640d8da041b64f31eab1d35920985f4a5"
        )
        expectOnly(signature, of: Array("Test".utf8), by: key, .ps256)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func whatWeSignVerifies(algorithm: SignatureAlgorithm) throws {
        let key = try PrivateKey.generate(bits: 2048)
        let message = Array("header.payload".utf8)
        expectOnly(try key.signature(of: message, algorithm), of: message, by: key.publicKey, algorithm)
        let numbers = try PublicKey(modulus: key.publicKey.modulus, exponent: key.publicKey.exponent)
        #expect(numbers == key.publicKey)
        #expect(numbers.verifies(try key.signature(of: [], algorithm), of: [], algorithm))
        let other = try PrivateKey.generate(bits: 2048)
        #expect(!other.publicKey.verifies(try key.signature(of: message, algorithm), of: message, algorithm))
    }

    /// The salt is as long as the digest, in what is made and in what is taken: two signatures of one message differ.
    @Test func ps256IsSalted() throws {
        let key = try PrivateKey.generate(bits: 2048)
        #expect(try key.signature(of: [1], .ps256) != key.signature(of: [1], .ps256))
        #expect(try key.signature(of: [1], .rs256) == key.signature(of: [1], .rs256))
    }

    /// Good as it is, and not with anything changed.
    private func expectOnly(
        _ signature: [UInt8],
        of message: [UInt8],
        by key: PublicKey,
        _ algorithm: SignatureAlgorithm
    ) {
        #expect(key.verifies(signature, of: message, algorithm))
        #expect(!key.verifies(signature, of: message + [0], algorithm))
        for other in SignatureAlgorithm.allCases where other != algorithm {
            #expect(!key.verifies(signature, of: message, other))
        }
        for index in [0, signature.count / 2, signature.count - 1] {
            var changed = signature
            changed[index] ^= 1
            #expect(!key.verifies(changed, of: message, algorithm))
        }
        for wrong in [[], Array(signature.dropLast()), [0] + signature, signature + [0]] {
            #expect(!key.verifies(wrong, of: message, algorithm))
        }
    }

    @Test(arguments: [
        ([UInt8](repeating: 0xFF, count: 128), [1, 0, 1]), ([UInt8](repeating: 0xFF, count: 1025), [1, 0, 1]),
        ([UInt8](repeating: 0xFE, count: 256), [1, 0, 1]), ([UInt8](repeating: 0xFF, count: 256), []),
        ([UInt8](repeating: 0xFF, count: 256), [1]), ([UInt8](repeating: 0xFF, count: 256), [2]),
        ([UInt8](repeating: 0xFF, count: 256), [1, 0, 0, 0, 1]), ([], [1, 0, 1]),
    ])
    func numbersThatAreNoKey(modulus: [UInt8], exponent: [UInt8]) {
        let error = #expect(throws: CryptoError.self) { try PublicKey(modulus: modulus, exponent: exponent) }
        #expect(error?.code == .unsupportedKey)
    }

    @Test(arguments: [0, 1024, 2047, 8193])
    func lengthsThatAreNotMade(bits: Int) {
        let error = #expect(throws: CryptoError.self) { try PrivateKey.generate(bits: bits) }
        #expect(error?.code == .unsupportedKey)
    }

    @Test func aPrivateKeyDoesNotPrintItself() throws {
        let key = try PrivateKey.generate(bits: 2048)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(text.contains("<private key>"))
            #expect(!text.contains("0x"))
        }
    }
}
