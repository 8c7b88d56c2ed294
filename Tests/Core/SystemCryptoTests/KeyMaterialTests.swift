import Foundation
import Testing

import SystemCrypto

@Suite struct KeyMaterialTests {
    private func opens(
        _ openssl: OpenSSLCommand,
        _ name: String,
        certificates: String? = nil,
        passphrase: String? = nil
    ) throws -> KeyMaterial {
        let material = try KeyMaterial.open(
            openssl.path(name),
            certificates: certificates.map(openssl.path),
            passphrase: passphrase.map { Array($0.utf8) }
        )
        let message = Array("message".utf8)
        let signature = try material.key.signature(of: message, .ps256)
        if let leaf = material.certificates.first {
            #expect(leaf.belongs(to: material.key))
            #expect(try leaf.publicKey().verifies(signature, of: message, .ps256))
        }
        return material
    }

    private func error(
        _ openssl: OpenSSLCommand,
        _ name: String,
        certificates: String? = nil,
        passphrase: String? = nil
    ) throws -> KeyMaterialError {
        try #require(throws: KeyMaterialError.self, "\(name)") {
            try KeyMaterial.open(
                openssl.path(name),
                certificates: certificates.map(openssl.path),
                passphrase: passphrase.map { Array($0.utf8) }
            )
        }
    }

    @Test func everyFormOfFile() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run("rsa -in key.pem -traditional -out pkcs1.pem")
            try openssl.run("pkcs8 -topk8 -in key.pem -passout pass:s3same -out pkcs8.pem")
            try openssl.run("rsa -aes128 -traditional -in key.pem -passout pass:s3same -out encrypted.pem")
            try openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:s3same -out pair.pfx")
            try openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass: -out open.pfx")
            try openssl.run("x509 -in certificate.pem -outform DER -out certificate.der")
            try openssl.join(["certificate.pem", "pkcs8.pem"], as: "encrypted-both.pem")
            let whole = try opens(openssl, "both.pem")
            #expect(whole.certificates.map(\.subject) == ["CN=gateway"])
            #expect(try opens(openssl, "key.pem").certificates.isEmpty)
            for certificates in ["certificate.pem", "certificate.der", "both.pem"] {
                #expect(try opens(openssl, "key.pem", certificates: certificates).certificates == whole.certificates)
            }
            #expect(try opens(openssl, "pkcs1.pem").key.publicKey == whole.key.publicKey)
            for name in ["pkcs8.pem", "encrypted.pem"] {
                #expect(try opens(openssl, name, passphrase: "s3same").key.publicKey == whole.key.publicKey)
            }
            for name in ["pair.pfx", "encrypted-both.pem"] {
                #expect(try opens(openssl, name, passphrase: "s3same").certificates == whole.certificates)
            }
            #expect(try opens(openssl, "open.pfx").certificates == whole.certificates)
        }
    }

    @Test func theKeysOwnCertificateComesFirst() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2")
            try openssl.join(["ca.pem", "certificate.pem", "key.pem"], as: "chain.pem")
            #expect(try opens(openssl, "chain.pem").certificates.map(\.subject) == ["CN=gateway", "CN=authority"])
        }
    }

    @Test func mistakesAreToldApart() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run("pkcs8 -topk8 -in key.pem -passout pass:s3same -out pkcs8.pem")
            try openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:s3same -out pair.pfx")
            try openssl.run(
                "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2"
            )
            try openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem")
            try openssl.run("genrsa -out short.pem 1024")
            try openssl.join(["key.pem", "other.key"], as: "two.pem")
            try openssl.join(["key.pem", "other.pem"], as: "unfit.pem")
            try "no key at all\n".write(toFile: openssl.path("text.pem"), atomically: true, encoding: .utf8)
            for name in ["pkcs8.pem", "pair.pfx"] {
                #expect(try error(openssl, name) == KeyMaterialError(.passphraseMissing, .passphrase))
                #expect(
                    try error(openssl, name, passphrase: "wr0ng") == KeyMaterialError(.wrongPassphrase, .passphrase)
                )
            }
            #expect(try error(openssl, "absent.pem").code == .cannotOpen)
            #expect(try error(openssl, "absent.pem").part == .key)
            #expect(try error(openssl, "certificate.pem") == KeyMaterialError(.noKey, .key))
            #expect(try error(openssl, "text.pem") == KeyMaterialError(.noKey, .key))
            #expect(try error(openssl, "two.pem") == KeyMaterialError(.severalKeys, .key))
            #expect(try error(openssl, "ec.pem").code == .unsupportedKey)
            #expect(try error(openssl, "short.pem").code == .unsupportedKey)
            #expect(try error(openssl, "unfit.pem") == KeyMaterialError(.keyDoesNotFit, .certificates))
            #expect(
                try error(openssl, "key.pem", certificates: "other.pem")
                    == KeyMaterialError(.keyDoesNotFit, .certificates)
            )
            #expect(try error(openssl, "key.pem", certificates: "other.key").code == .noCertificate)
            #expect(try error(openssl, "key.pem", certificates: "absent.pem").part == .certificates)
        }
    }

    @Test func noErrorIsAttributedToAPassphraseThatOpenedTheFile() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run("pkcs12 -export -nokeys -in certificate.pem -passout pass:s3same -out keyless.pfx")
            #expect(try error(openssl, "keyless.pfx", passphrase: "s3same") == KeyMaterialError(.noKey, .key))
            let certified = try opens(openssl, "key.pem", certificates: "keyless.pfx", passphrase: "s3same")
            #expect(certified.certificates.map(\.subject) == ["CN=gateway"])
            for (passphrase, code) in [("wr0ng", KeyMaterialError.Code.wrongPassphrase), (nil, .passphraseMissing)] {
                #expect(
                    try error(openssl, "key.pem", certificates: "keyless.pfx", passphrase: passphrase)
                        == KeyMaterialError(code, .passphrase)
                )
            }
        }
    }

    /// OpenSSL 3.0's store reads none of these.
    @Test func aMACIsNotNeeded() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            let export = "pkcs12 -export -nomac -inkey key.pem -in certificate.pem"
            try openssl.run("\(export) -passout pass:s3same -out pair.pfx")
            try openssl.run("\(export) -keypbe NONE -certpbe NONE -passout pass: -out open.pfx")
            try openssl.run("pkcs12 -export -nomac -nokeys -in certificate.pem -passout pass:s3same -out keyless.pfx")
            let certificates = try opens(openssl, "both.pem").certificates
            #expect(try opens(openssl, "pair.pfx", passphrase: "s3same").certificates == certificates)
            #expect(try opens(openssl, "open.pfx").certificates == certificates)
            let uri = try KeyMaterial.open("file://" + openssl.path("pair.pfx"), passphrase: Array("s3same".utf8))
            #expect(uri.certificates == certificates)
            let apart = try opens(openssl, "key.pem", certificates: "pair.pfx", passphrase: "s3same")
            #expect(apart.certificates == certificates)
            #expect(try error(openssl, "pair.pfx") == KeyMaterialError(.passphraseMissing, .passphrase))
            #expect(
                try error(openssl, "pair.pfx", passphrase: "wr0ng") == KeyMaterialError(.wrongPassphrase, .passphrase)
            )
            #expect(try error(openssl, "keyless.pfx", passphrase: "s3same") == KeyMaterialError(.noKey, .key))
        }
    }

    @Test func whatHelpsIsSaid() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            let old = "-provider legacy -provider default -in key.pem -passout pass:s3same"
            try openssl.run("pkcs8 -topk8 -v1 PBE-MD5-DES \(old) -out pbes1.pem")
            try openssl.join(["pbes1.pem", "certificate.pem"], as: "both-pbes1.pem")
            for name in ["pbes1.pem", "both-pbes1.pem"] {
                let error = try error(openssl, name, passphrase: "s3same")
                #expect(error == KeyMaterialError(.outdatedPEMEncryption, .key))
                #expect("\(error)".contains("openssl pkcs8 -topk8 -provider legacy -provider default"))
            }
            for (name, magic) in [("jks", [0xFE, 0xED, 0xFE, 0xED]), ("jceks", [0xCE, 0xCE, 0xCE, 0xCE])] {
                try Data((magic + [0, 0, 0, 2]).map { UInt8($0) }).write(to: openssl.directory.appending(path: name))
                for passphrase in ["s3same", nil] {
                    #expect(try error(openssl, name, passphrase: passphrase) == KeyMaterialError(.javaKeystore, .key))
                }
            }
        }
    }

    @Test func aFormThatOpenSSLHasGivenUpIsNamed() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run(
                "pkcs12 -export -legacy -inkey key.pem -in certificate.pem -passout pass:s3same -out legacy.pfx"
            )
            #expect(try error(openssl, "legacy.pfx", passphrase: "s3same").code == .outdatedEncryption)
        }
    }

    @Test func theDatesAreLookedAtWhenAsked() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            let material = try opens(openssl, "both.pem")
            let leaf = try #require(material.certificates.first)
            for seconds in [leaf.notBefore, leaf.notAfter] {
                #expect(try material.requireValidity(at: seconds) == leaf)
            }
            let early = #expect(throws: KeyMaterialError.self) { try material.requireValidity(at: leaf.notBefore - 1) }
            #expect(early == KeyMaterialError(.certificateNotYetValid, .certificates, at: leaf.notBefore))
            let late = #expect(throws: KeyMaterialError.self) { try material.requireValidity(at: leaf.notAfter + 1) }
            #expect(late == KeyMaterialError(.certificateExpired, .certificates, at: leaf.notAfter))
            #expect(late?.isAboutTime == true)
            let none = #expect(throws: KeyMaterialError.self) { try opens(openssl, "key.pem").requireValidity(at: 0) }
            #expect(none == KeyMaterialError(.noCertificate, .certificates))
        }
    }

    /// Neither what opens the key nor where it lies; the words of every kind differ.
    @Test func errorsAreSafeToShow() throws {
        try OpenSSLCommand.with { openssl in
            try openssl.makePair()
            try openssl.run("pkcs8 -topk8 -in key.pem -passout pass:s3same -out pkcs8.pem")
            #expect(!"\(try error(openssl, "pkcs8.pem", passphrase: "wr0ng"))".contains("wr0ng"))
            let words = KeyMaterialError.Code.allCases.map { "\(KeyMaterialError($0, .key))" }
            #expect(Set(words).count == words.count)
        }
    }
}
