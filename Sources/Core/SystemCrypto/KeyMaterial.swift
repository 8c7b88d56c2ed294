import COpenSSL

/// A private key, and the certificates beside it.
///
/// Opened by path or URI through OpenSSL's store (OSSL_STORE): PEM, encrypted PEM, PKCS#12, and `pkcs11:` (RFC 7512) where
/// the system has OpenSSL's provider or engine for it. PKCS#12 without a MAC, which the store of OpenSSL 3.0 does not read, is
/// opened as such.
public struct KeyMaterial: Sendable {
    /// The key.
    public var key: PrivateKey
    /// The certificates, the key's own first; empty when there is a key only.
    public var certificates: [Certificate]

    /// Whether `uri` names a key in a hardware module, whose passphrase is the module's PIN.
    public static func isInModule(_ uri: String) -> Bool { PKCS11Engine.isResponsible(for: uri) }

    /// Opens what `uri` names, and takes the certificates from `certificates` where that is given.
    ///
    /// Reads files and may ask a hardware module: milliseconds, or as long as the module takes. `passphrase` opens an
    /// encrypted file, and is the module's PIN. Throws `KeyMaterialError`, whose `part` says which of the three it is about:
    /// nothing there, a missing or wrong passphrase, no key or several, a key that is not RSA of 2048 to 8192 bits, and
    /// certificates of which none belongs to the key. Dates are not looked at: see ``requireValidity(at:)``.
    public static func open(
        _ uri: String,
        certificates certificateURI: String? = nil,
        passphrase: [UInt8]?
    ) throws(KeyMaterialError) -> KeyMaterial {
        let opened = try StoreContents.open(uri, part: .key, passphrase: passphrase)
        guard let handle = opened.keys.first else { throw opened.reasonForNoKey }
        guard opened.keys.count == 1 else { throw KeyMaterialError(.severalKeys, .key) }
        let key: PrivateKey
        do throws(CryptoError) {
            key = try PrivateKey(handle)
        } catch {
            throw KeyMaterialError(.unsupportedKey, .key, reason: error.reason)
        }
        var certificates = opened.certificates
        if let certificateURI {
            certificates =
                try StoreContents.open(certificateURI, part: .certificates, passphrase: passphrase).certificates
            guard !certificates.isEmpty else { throw KeyMaterialError(.noCertificate, .certificates) }
        }
        if !certificates.isEmpty {
            guard let leaf = certificates.firstIndex(where: { $0.belongs(to: key) }) else {
                throw KeyMaterialError(.keyDoesNotFit, .certificates)
            }
            certificates.insert(certificates.remove(at: leaf), at: 0)
        }
        return KeyMaterial(key: key, certificates: certificates)
    }

    /// The key's own certificate, if it is valid at `seconds` since 1970.
    ///
    /// Throws `noCertificate`, `certificateNotYetValid` or `certificateExpired`, the latter two with the date.
    public func requireValidity(at seconds: Int64) throws(KeyMaterialError) -> Certificate {
        guard let leaf = certificates.first else { throw KeyMaterialError(.noCertificate, .certificates) }
        guard seconds >= leaf.notBefore else {
            throw KeyMaterialError(.certificateNotYetValid, .certificates, at: leaf.notBefore)
        }
        guard seconds <= leaf.notAfter else {
            throw KeyMaterialError(.certificateExpired, .certificates, at: leaf.notAfter)
        }
        return leaf
    }
}

/// Why a key and its certificate cannot be used. Names no path, no URI (a PIN may stand in one) and no secret.
public struct KeyMaterialError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        case cannotOpen = "cannot-open"
        case passphraseMissing = "passphrase-missing"
        case wrongPassphrase = "wrong-passphrase"
        case outdatedEncryption = "outdated-encryption"
        case outdatedPEMEncryption = "outdated-pem-encryption"
        case unknownMAC = "unknown-mac"
        case javaKeystore = "java-keystore"
        case noKey = "no-key"
        case severalKeys = "several-keys"
        case unsupportedKey = "unsupported-key"
        case signingFailed = "signing-failed"
        case noCertificate = "no-certificate"
        case keyDoesNotFit = "key-does-not-fit"
        case certificateNotYetValid = "certificate-not-yet-valid"
        case certificateExpired = "certificate-expired"
        case moduleUnavailable = "module-unavailable"
        case anotherModule = "another-module"
    }

    /// Which of the things that were given is meant.
    public enum Part: String, Sendable, CaseIterable {
        case key, certificates, passphrase
    }

    public var code: Code
    public var part: Part
    /// The library's own words, or more about the thing; often empty.
    public var reason: String
    /// The date that was missed, in seconds since 1970.
    public var date: Int64?

    /// Makes an error about one part.
    public init(_ code: Code, _ part: Part, reason: String = "", at date: Int64? = nil) {
        self.code = code
        self.part = part
        self.reason = reason
        self.date = date
    }

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }

    /// Whether waiting may help: nothing is wrong but the date.
    public var isAboutTime: Bool { code == .certificateExpired || code == .certificateNotYetValid }

    public var description: String { reason.isEmpty ? code.words : "\(code.words) (\(reason))" }
}

extension KeyMaterialError.Code {
    /// What is wrong and how to fix it.
    fileprivate var words: String {
        switch self {
        case .cannotOpen: "cannot be opened or read"
        case .passphraseMissing: "is needed: the key is encrypted, or in a module that wants a PIN"
        case .wrongPassphrase: "is wrong: the key does not open"
        case .outdatedEncryption:
            "is encrypted in a way that OpenSSL has given up; convert it, such as with `openssl pkcs12 -legacy -in` and `openssl pkcs12 -export`"
        case .outdatedPEMEncryption:
            "is encrypted in a way that OpenSSL has given up; convert it with `openssl pkcs8 -topk8 -provider legacy -provider default -in old.pem -out new.pem`"
        case .unknownMAC:
            "is PKCS#12 with a MAC that this OpenSSL does not know, such as PBMAC1; convert it as PEM, with `openssl pkcs12 -in` of OpenSSL 3.4 or newer, or with `openssl pkcs12 -nomacver -in` of this one"
        case .javaKeystore:
            "is a Java keystore (JKS), which is not read; convert it with `keytool -importkeystore -srckeystore old.jks -destkeystore new.p12 -deststoretype PKCS12`"
        case .noKey: "holds no private key"
        case .severalKeys: "holds several private keys; name one"
        case .unsupportedKey: "is a key that cannot be used: RSA of 2048 to 8192 bits is"
        case .signingFailed: "did not sign"
        case .noCertificate: "holds no certificate"
        case .keyDoesNotFit: "holds no certificate of this key: the key doesn't fit"
        case .certificateNotYetValid: "is not valid yet"
        case .certificateExpired: "has expired"
        case .anotherModule:
            "names another module-path than a connection before it: one process uses one module, and p11-kit-proxy.so joins several"
        case .moduleUnavailable:
            "is a pkcs11: URI, and OpenSSL cannot open those here: install libengine-pkcs11-openssl (Debian 12) or pkcs11-provider, and the token's PKCS#11 module"
        }
    }
}
