import Foundation
import Testing

import SystemCrypto

@Suite struct CertificateTests {
    /// Made with the openssl command, which also told the expected values below; its key is gone.
    static let text = """
        MIICyjCCAbICAQEwDQYJKoZIhvcNAQELBQAwKzEQMA4GA1UECgwHQ29udG9zbzEXMBUGA1UEAwwOZXhwb3J0LWdhdGV3YXkwHhcN
        MjYwMTAyMDMwNDA1WhcNMjcwMTAyMDMwNDA1WjArMRAwDgYDVQQKDAdDb250b3NvMRcwFQYDVQQDDA5leHBvcnQtZ2F0ZXdheTCC
        ASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAK4Fj4ZrLwGlbas+pyfIK8+BdyQe0IHJiX1G+StM7EmLS1EV90RkBMs0qnQl
        BBRVnA1U0Jt+jzUlf6/oCZ3AZ/bhRRFzCffNB+fIUSozsXCtQ/rTWd65nv8+Y8kqxUexc6hwi/oVvNHQxyBkv11bYnbQ8VhNAt3g
        B3bFfel7HnNh4VEoIFHQB6plmzQypgEsSiImLtkRoLF9CrC8q5GhMQzljD7K2ZFeV5nPAsLeRSD9IZkxMVJQ2nFEYJhK2T4l4RIQ
        flJ3F29ybQpsVIzMJRtgWBmw3j1K4yPpY6Kv8HbWMu15sTE+mkLM5R9N2lkknO7TXHo3aAeZchTmlttKCskCAwEAATANBgkqhkiG
        9w0BAQsFAAOCAQEAMfR/ZadFm0VIsrrb//qtKa76B/PeV1sjvlrkWqIx4XkG/qiRFzI/dfQL1J7T5KS+EjBMq+tp1D5wmuBaBlrO
        0caAkMjAbM2hTGRaOYhGK51JeCmgxL10gSLs+06+EnUqs/wMaDB/7Y3RPkyRKiEeLG8yyaMnc+HG9Hw4gmNRsipUQmeDz71dfQG/
        r7gDOMFTW3dcuOPOz6FqTLkPeufhREoLblDyjl/F0Mnmj7zNzxBhbTWVAr4PcsIzT8oG52KXHn4PdNrGHTv7gCiPs4LUVzlBbHaP
        ENIomILPmQt9h49uhR8OERg77h5gRPd0TIBD+Z9VViKTSc+fPqP1IEBbcQ==
        """

    static func der() throws -> [UInt8] {
        Array(try #require(Data(base64Encoded: text, options: .ignoreUnknownCharacters)))
    }

    @Test func itIsReadAsTheOpensslCommandReadsIt() throws {
        let certificate = try Certificate(der: Self.der())
        #expect(Hexadecimal.encode(certificate.sha1) == "8a42af069f6b71627533155efb8682fe10990da4")
        #expect(
            Hexadecimal.encode(certificate.sha256) == "953c427d8199a9a73dc1276cde72d75830402fb6e269904a7c1a5dd703ee8c6b"
        )
        #expect(certificate.subject == "CN=export-gateway,O=Contoso")
        #expect(certificate.notBefore == 1_767_323_045)
        #expect(certificate.notAfter == 1_798_859_045)
        #expect(try certificate.publicKey().modulus.count == 256)
        #expect(try certificate.publicKey().exponent == [1, 0, 1])
        #expect(try !certificate.belongs(to: PrivateKey.generate(bits: 2048)))
    }

    private func valid(_ host: String, names: String, subject: String = "server.example.com") throws -> Bool {
        var isValid = false
        try OpenSSLCommand.with { command in
            let alternatives = names.isEmpty ? "" : " -addext subjectAltName=\(names)"
            try command.run(
                "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem -subj /CN=\(subject) -days 2\(alternatives)"
            )
            try command.run("x509 -in c.pem -outform DER -out c.der")
            let der = Array(try Data(contentsOf: command.directory.appending(path: "c.der")))
            isValid = try Certificate(der: der).isValid(forHost: host)
        }
        return isValid
    }

    @Test func itIsForTheNamesThatItListsAndNoOthers() throws {
        #expect(try valid("hooks.example.com", names: "DNS:a.example.com,DNS:hooks.example.com"))
        #expect(try valid("hooks.example.com", names: "DNS:*.example.com"))
        #expect(try !valid("hooks.example.com", names: "DNS:example.com"))
        #expect(try !valid("a.hooks.example.com", names: "DNS:*.example.com"))
        #expect(try !valid("hooks.example.com", names: "DNS:h*.example.com"))
        #expect(try !valid("hooks.example.com", names: "IP:127.0.0.1"))
        #expect(try !valid("127.0.0.1", names: "IP:127.0.0.1"))
        #expect(try !valid("hooks.example.com", names: "", subject: "hooks.example.com"))
        #expect(try !valid("hooks.example.com", names: "IP:127.0.0.1", subject: "hooks.example.com"))
    }

    @Test func whatIsNoCertificate() throws {
        let der = try Self.der()
        for wrong in [[], [0x30], Array(der.dropLast()), der + [0], Array("-----BEGIN CERTIFICATE-----".utf8)] {
            let error = #expect(throws: CryptoError.self) { try Certificate(der: wrong) }
            #expect(error?.code == .malformed)
        }
    }
}
