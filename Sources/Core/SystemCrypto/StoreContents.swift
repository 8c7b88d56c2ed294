import COpenSSL

/// What OpenSSL's store finds under a URI.
struct StoreContents {
    var keys: [KeyHandle] = []
    var certificates: [Certificate] = []

    private var part: KeyMaterialError.Part
    private var prompt: PassphrasePrompt
    private var complaints: [String] = []
    private var isPEM = false

    /// At most so many objects are read: a file should hold a key and a certificate chain.
    private static let objectLimit = 64

    /// Reads everything under the URI. Throws `cannotOpen` when there is nothing, and the error about the passphrase.
    static func open(
        _ uri: String,
        part: KeyMaterialError.Part,
        passphrase: [UInt8]?
    ) throws(KeyMaterialError) -> StoreContents {
        ERR_clear_error()
        let prompt = PassphrasePrompt(passphrase)
        var contents = StoreContents(part: part, prompt: prompt)
        guard contents.load(uri) else {
            let complaints = OpenSSLErrors.taken()
            guard PKCS11Engine.isResponsible(for: uri) else {
                throw KeyMaterialError(.cannotOpen, part, reason: complaints.first ?? "")
            }
            return try PKCS11Engine.open(uri, part: part, passphrase: passphrase)
        }
        if contents.keys.isEmpty, contents.certificates.isEmpty, !contents.complaints.isEmpty,
            let found = try KeyFile(uri)?.contents(part: part, passphrase: passphrase)
        {
            return found
        }
        contents.isPEM = contents.keys.isEmpty && KeyFile(uri)?.isPEM == true
        if contents.certificates.isEmpty, part == .certificates, !contents.complaints.isEmpty {
            if let error = contents.passphraseError { throw error }
            throw KeyMaterialError(.cannotOpen, part, reason: "it is neither PEM, DER nor PKCS#12")
        }
        return contents
    }

    init(part: KeyMaterialError.Part, prompt: PassphrasePrompt) {
        self.part = part
        self.prompt = prompt
    }

    /// Why there is no key in here.
    var reasonForNoKey: KeyMaterialError {
        if complaints.contains(where: OpenSSLErrors.isAboutGivenUpAlgorithm) {
            return KeyMaterialError(isPEM ? .outdatedPEMEncryption : .outdatedEncryption, part)
        }
        return passphraseError ?? KeyMaterialError(.noKey, part)
    }

    /// The error about the passphrase, where something asked for it and could not be decrypted.
    private var passphraseError: KeyMaterialError? {
        guard prompt.wasAsked, !complaints.isEmpty else { return nil }
        return KeyMaterialError(prompt.passphrase == nil ? .passphraseMissing : .wrongPassphrase, .passphrase)
    }

    /// False when the URI cannot be opened at all.
    private mutating func load(_ uri: String) -> Bool {
        let prompt = prompt
        return withExtendedLifetime(prompt) {
            guard let store = OSSL_STORE_open(uri, PassphrasePrompt.method, prompt.userData, nil, nil) else {
                return false
            }
            defer { OSSL_STORE_close(store) }
            for _ in 0..<Self.objectLimit where OSSL_STORE_eof(store) == 0 {
                if let info = OSSL_STORE_load(store) {
                    take(info)
                    OSSL_STORE_INFO_free(info)
                } else {
                    complaints += OpenSSLErrors.taken()
                }
            }
            return true
        }
    }

    private mutating func take(_ info: OpaquePointer) {
        switch OSSL_STORE_INFO_get_type(info) {
        case OSSL_STORE_INFO_PKEY:
            if let key = OSSL_STORE_INFO_get1_PKEY(info) { keys.append(KeyHandle(owning: key)) }
        case OSSL_STORE_INFO_CERT:
            guard let certificate = OSSL_STORE_INFO_get0_CERT(info) else { return }
            if let read = try? Certificate(certificate) { certificates.append(read) }
        default: break
        }
    }
}

/// Answers when OpenSSL asks for a passphrase, and records that it has asked.
final class PassphrasePrompt {
    let passphrase: [UInt8]?
    private(set) var wasAsked = false

    init(_ passphrase: [UInt8]?) { self.passphrase = passphrase }

    /// The callbacks by which OpenSSL asks for a passphrase. With a prompt's `userData` they answer; without it they refuse. OpenSSL
    /// never asks at a terminal.
    static var method: OpaquePointer? { shared.pointer }

    var userData: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    private struct Method: @unchecked Sendable {  // A UI_METHOD never changes once made, and is never freed here.
        let pointer: OpaquePointer?
    }

    private static let shared = Method(
        pointer: UI_UTIL_wrap_read_pem_callback(
            { buffer, count, _, userData in
                guard let buffer, let userData else { return -1 }
                return Unmanaged<PassphrasePrompt>.fromOpaque(userData).takeUnretainedValue()
                    .answer(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)))
            },
            0
        )
    )

    /// Writes the passphrase into the buffer and says how long it is, or -1.
    func answer(into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
        wasAsked = true
        guard let passphrase, passphrase.count <= buffer.count else { return -1 }
        buffer.copyBytes(from: passphrase)
        return Int32(passphrase.count)
    }
}

/// This thread's queue of libcrypto's errors.
enum OpenSSLErrors {
    /// Whether libcrypto reports a missing algorithm that only the provider `legacy` has, which is not loaded.
    static func isAboutGivenUpAlgorithm(_ text: String) -> Bool {
        text.contains("digital envelope routines") && text.contains("unsupported")
    }

    /// Takes all errors out of the queue, oldest first.
    static func taken() -> [String] {
        var texts: [String] = []
        while true {
            let packed = ERR_get_error()
            guard packed != 0 else { return texts }
            var text = [CChar](repeating: 0, count: 256)
            ERR_error_string_n(packed, &text, text.count)
            texts.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }
}
