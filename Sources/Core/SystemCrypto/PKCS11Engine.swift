import COpenSSL
import Synchronization

/// Keys in hardware modules through OpenSSL's engine for PKCS#11 (libp11), for systems without a provider for it.
///
/// There is one engine in a process. It does not protect its own settings with a lock, and stopping it unloads the module even while
/// a key is in use. So everything except signing is done under one lock here, and the engine is stopped only while no key of it
/// is in use.
enum PKCS11Engine {
    private struct State: @unchecked Sendable {  // The engine is used under the lock only, and is never freed.
        var engine: OpaquePointer?
        /// Whether this module holds a functional reference: as long as it does, the engine stays as it is.
        var isStarted = false
        /// The `module-path` it was started with.
        var module: String?
        /// Whether the engine was ever given a PIN. It keeps it until the process ends, and would try it on any token.
        var hasPIN = false
    }

    private struct Loaded {
        var keys: [KeyHandle] = []
        var certificates: [Certificate] = []
    }

    private static let state = Mutex(State())
    private static let keysInUse = Atomic<Int>(0)

    static func isResponsible(for uri: String) -> Bool { uri.prefix(7).lowercased() == "pkcs11:" }

    /// Opens the key or the certificates that `uri` names (RFC 7512). `passphrase` is the token's PIN, unless the URI has one.
    ///
    /// The module is the first `module-path` that comes, else the one of `PKCS11_MODULE_PATH`, else the system's p11-kit.
    /// Throws `moduleUnavailable`; `anotherModule` for a `module-path` that is not the one in use; `passphraseMissing`
    /// where a token wants a PIN, and also, without checking the token, where another connection has given its own; and
    /// `cannotOpen` or `wrongPassphrase` for what the module says.
    static func open(
        _ uri: String,
        part: KeyMaterialError.Part,
        passphrase: [UInt8]?
    ) throws(KeyMaterialError) -> StoreContents {
        let loaded = try state.withLock { state throws(KeyMaterialError) -> Loaded in
            let (uri, module) = split(uri)
            let hasPIN = passphrase != nil || uri.namesPIN
            guard hasPIN || !state.hasPIN else { throw KeyMaterialError(.passphraseMissing, .passphrase) }
            do throws(KeyMaterialError) {
                try start(&state, module, part)
                state.hasPIN = state.hasPIN || hasPIN
                return try load(uri, by: state.engine, part, passphrase)
            } catch {
                // The engine looks for tokens only when it starts, and assumes that a login stays valid. It is stopped here, so
                // that the next attempt starts it again.
                if state.isStarted, keysInUse.load(ordering: .acquiring) == 0 {
                    ENGINE_finish(state.engine)
                    state.isStarted = false
                    ERR_clear_error()
                }
                throw error
            }
        }
        var contents = StoreContents(part: part, prompt: PassphrasePrompt(passphrase))
        contents.keys = loaded.keys
        contents.certificates = loaded.certificates
        return contents
    }

    private static func start(
        _ state: inout State,
        _ module: String?,
        _ part: KeyMaterialError.Part
    ) throws(KeyMaterialError) {
        guard !state.isStarted else {
            guard module == nil || module == state.module else { throw KeyMaterialError(.anotherModule, part) }
            return
        }
        if state.engine == nil {
            OPENSSL_init_crypto(UInt64(OPENSSL_INIT_ENGINE_DYNAMIC), nil)
            guard let engine = ENGINE_by_id("pkcs11") else {
                ERR_clear_error()
                throw KeyMaterialError(.moduleUnavailable, part)
            }
            state.engine = engine
            // Without QUIET it writes URIs to standard error. The interface prevents it from asking for a PIN at the terminal.
            ENGINE_ctrl_cmd_string(engine, "QUIET", nil, 0)
            ENGINE_ctrl_cmd(engine, "SET_USER_INTERFACE", 0, UnsafeMutableRawPointer(PassphrasePrompt.method), nil, 1)
        }
        if let module { ENGINE_ctrl_cmd_string(state.engine, "MODULE_PATH", module, 0) }
        guard ENGINE_init(state.engine) == 1 else {
            throw KeyMaterialError(.moduleUnavailable, part, reason: OpenSSLErrors.taken().last ?? "")
        }
        state.isStarted = true
        state.module = module
    }

    private static func load(
        _ uri: String,
        by engine: OpaquePointer?,
        _ part: KeyMaterialError.Part,
        _ passphrase: [UInt8]?
    ) throws(KeyMaterialError) -> Loaded {
        if let passphrase {
            ENGINE_ctrl_cmd_string(engine, "PIN", String(decoding: passphrase, as: UTF8.self), 0)
        }
        let prompt = PassphrasePrompt(passphrase)
        var loaded = Loaded()
        if part == .key {
            let key = withExtendedLifetime(prompt) {
                ENGINE_load_private_key(engine, uri, PassphrasePrompt.method, prompt.userData)
            }
            guard let key else { throw failure(part, prompt) }
            keysInUse.add(1, ordering: .relaxed)
            loaded.keys.append(
                KeyHandle(owning: key) { keysInUse.subtract(1, ordering: .releasing) }
            )
        }
        if let certificate = certificate(engine, uri) { loaded.certificates.append(certificate) }
        // A token with a key but no certificate is not an error: the certificate may be in a file.
        ERR_clear_error()
        return loaded
    }

    private static func certificate(_ engine: OpaquePointer?, _ uri: String) -> Certificate? {
        uri.withCString { name in
            var request = COPENSSL_ENGINE_CERTIFICATE(uri: name, certificate: nil)
            guard ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &request, nil, 1) == 1,
                let certificate = request.certificate
            else { return nil }
            defer { X509_free(certificate) }
            return try? Certificate(certificate)
        }
    }

    private static func failure(_ part: KeyMaterialError.Part, _ prompt: PassphrasePrompt) -> KeyMaterialError {
        let complaints = OpenSSLErrors.taken()
        if prompt.wasAsked || complaints.contains(where: { $0.speaksOfPIN }) {
            return KeyMaterialError(prompt.passphrase == nil ? .passphraseMissing : .wrongPassphrase, .passphrase)
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
    /// Whether this URI says what or where its token's PIN is (RFC 7512, 2.4).
    fileprivate var namesPIN: Bool {
        let text = lowercased()
        return text.contains("pin-value=") || text.contains("pin-source=")
    }

    /// Whether this message of libp11 is about the PIN.
    fileprivate var speaksOfPIN: Bool {
        let text = lowercased()
        return text.contains("pin incorrect") || text.contains("pin_incorrect") || text.contains("login failed")
            || text.contains("not logged in")
    }
}
