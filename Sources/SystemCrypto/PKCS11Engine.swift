import COpenSSL

/// Keys in hardware modules through OpenSSL's engine for PKCS#11 (libp11), for systems without a provider for it.
enum PKCS11Engine {
    static func isResponsible(for uri: String) -> Bool { uri.prefix(7).lowercased() == "pkcs11:" }

    /// Opens the key or the certificates that `uri` names (RFC 7512). `passphrase` is the token's PIN, unless the URI has one.
    ///
    /// The engine is the process's: its module is the first `module-path` that comes, else the system's p11-kit.
    /// Throws `moduleUnavailable`, and `cannotOpen` or `wrongPassphrase` for what the module says.
    static func open(
        _ uri: String,
        part: KeyMaterialError.Part,
        passphrase: [UInt8]?
    ) throws(KeyMaterialError) -> StoreContents {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_ENGINE_DYNAMIC), nil)
        guard let engine = ENGINE_by_id("pkcs11") else {
            ERR_clear_error()
            throw KeyMaterialError(.moduleUnavailable, part)
        }
        defer { ENGINE_free(engine) }
        let (uri, module) = split(uri)
        if let module { ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) }
        guard ENGINE_init(engine) == 1 else {
            throw KeyMaterialError(.moduleUnavailable, part, reason: OpenSSLErrors.taken().last ?? "")
        }
        defer { ENGINE_finish(engine) }
        if let passphrase {
            ENGINE_ctrl_cmd_string(engine, "PIN", String(decoding: passphrase, as: UTF8.self), 0)
        }
        var contents = StoreContents(part: part, prompt: PassphrasePrompt(passphrase))
        if part == .key {
            guard let key = ENGINE_load_private_key(engine, uri, nil, nil) else { throw failure(part, passphrase) }
            contents.keys.append(KeyHandle(owning: key))
        }
        if let certificate = certificate(engine, uri) { contents.certificates.append(certificate) }
        // A key whose token holds no certificate is no mistake: the certificate may lie in a file.
        ERR_clear_error()
        return contents
    }

    private static func certificate(_ engine: OpaquePointer, _ uri: String) -> Certificate? {
        uri.withCString { name in
            var request = COPENSSL_ENGINE_CERTIFICATE(uri: name, certificate: nil)
            guard ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &request, nil, 1) == 1,
                let certificate = request.certificate
            else { return nil }
            defer { X509_free(certificate) }
            return try? Certificate(certificate)
        }
    }

    private static func failure(_ part: KeyMaterialError.Part, _ passphrase: [UInt8]?) -> KeyMaterialError {
        let complaints = OpenSSLErrors.taken()
        if complaints.contains(where: { $0.speaksOfPIN }) {
            return KeyMaterialError(passphrase == nil ? .passphraseMissing : .wrongPassphrase, .passphrase)
        }
        return KeyMaterialError(.cannotOpen, part, reason: complaints.first ?? "")
    }

    /// The URI without the attribute `module-path` of RFC 7512, which the engine does not know, and that attribute's value.
    /// It is not percent-decoded: a path can be given without.
    private static func split(_ uri: String) -> (uri: String, module: String?) {
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return (uri, nil) }
        let name = "module-path="
        let attributes = parts[1].split(separator: "&")
        let others = attributes.filter { !$0.hasPrefix(name) }.joined(separator: "&")
        let module = attributes.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
        return (String(parts[0]) + (others.isEmpty ? "" : "?" + others), module)
    }
}

extension String {
    /// Whether libp11 speaks of the PIN here.
    fileprivate var speaksOfPIN: Bool {
        let text = lowercased()
        return text.contains("pin incorrect") || text.contains("pin_incorrect") || text.contains("login failed")
            || text.contains("not logged in")
    }
}
