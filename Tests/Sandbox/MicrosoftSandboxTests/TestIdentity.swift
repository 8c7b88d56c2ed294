import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import SystemCrypto
import Testing

/// A key of the tests', and certificates for it.
enum TestIdentity {
    /// Made once for all tests: making a key takes a good part of a second.
    static let key = Result { try PrivateKey.generate(bits: 2048) }
    static let otherKey = Result { try PrivateKey.generate(bits: 2048) }

    /// The bytes of a certificate that signs itself (RFC 5280, 4.1).
    static func certificate(
        _ key: PrivateKey,
        serial: UInt8 = 1,
        from start: String = "20200101000000Z",
        to end: String = "20991231235959Z"
    ) throws -> [UInt8] {
        let rsa: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        let sha256WithRSA: [UInt8] = rsa.dropLast() + [0x0B]
        let algorithm = der(0x30, der(0x06, sha256WithRSA) + [0x05, 0x00])
        let name = der(
            0x30,
            der(0x31, der(0x30, der(0x06, [0x55, 0x04, 0x03]) + der(0x0C, Array("sandbox test".utf8))))
        )
        let validity = der(0x30, der(0x18, Array(start.utf8)) + der(0x18, Array(end.utf8)))
        let numbers = der(0x30, integer(key.publicKey.modulus) + integer(key.publicKey.exponent))
        let publicKey = der(0x30, der(0x30, der(0x06, rsa) + [0x05, 0x00]) + der(0x03, [0] + numbers))
        let body = der(
            0x30,
            der(0xA0, integer([2])) + integer([serial]) + algorithm + name + validity + name + publicKey
        )
        let signature = try key.signature(of: body, .rs256)
        return der(0x30, body + algorithm + der(0x03, [0] + signature))
    }

    private static func integer(_ bytes: [UInt8]) -> [UInt8] { der(0x02, (bytes[0] & 0x80 == 0 ? [] : [0]) + bytes) }

    private static func der(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        return switch count {
        case ..<0x80: [tag, UInt8(count)] + content
        case ..<0x100: [tag, 0x81, UInt8(count)] + content
        default: [tag, 0x82, UInt8(count >> 8), UInt8(count & 0xFF)] + content
        }
    }

    /// A signed token in compact form (RFC 7515, 3.1).
    static func token(
        header: [String: JSONValue],
        claims: [String: JSONValue],
        key: PrivateKey,
        _ algorithm: SignatureAlgorithm = .rs256
    ) throws -> String {
        let input = [header, claims].map { Base64URL.encode(JSONValue.object($0).encoded()) }.joined(separator: ".")
        return input + "." + Base64URL.encode(try key.signature(of: Array(input.utf8), algorithm))
    }

    static func jwk(_ key: PrivateKey, id: String) -> JSONValue {
        [
            "kty": "RSA", "kid": .string(id), "n": .string(Base64URL.encode(key.publicKey.modulus)),
            "e": .string(Base64URL.encode(key.publicKey.exponent)),
        ]
    }
}

extension Lab {
    /// Asks for a token with an assertion in place of a secret.
    func tokenReply(assertion: String, scope: String = Lab.graphScope) async throws -> Reply {
        try await form(
            tokenURL,
            "grant_type=client_credentials&client_id=\(SandboxSeed.clientID)&scope=\(scope)"
                + "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                + "&client_assertion=\(assertion)"
        )
    }

    /// Something put to the control plane.
    func control(_ name: String, _ body: JSONValue) async throws -> Reply {
        try await post("\(addresses.api)/_sandbox/\(name)", body)
    }

    /// A token for the application, as `POST /_sandbox/tokens` makes it.
    func minted(_ body: JSONValue) async throws -> String {
        try #require(try await control("tokens", body).json["token"]?.string)
    }

    var now: Int64 { time.now().milliseconds / 1000 }
}

extension Reply {
    /// The number behind `AADSTS`; nil for anything but a refusal in Entra's form.
    var entraCode: Int64? {
        guard let code = json["error_codes"]?.array?.first?.integer,
            json["error_description"]?.string?.hasPrefix("AADSTS\(code): ") == true
        else { return nil }
        return code
    }
}
