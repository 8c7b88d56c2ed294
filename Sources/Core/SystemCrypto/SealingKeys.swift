/// Encrypts small secrets that have to be stored (AES-256-GCM). Keys have ids, so that they can be rotated: the current one
/// encrypts, and all of them decrypt. It never prints its keys.
///
/// A sealed text is: version (1), length of the key's id, the id, a random nonce of 12 bytes, the ciphertext, a tag of 16
/// bytes. Everything before the ciphertext is authenticated, and so is the context, which is not part of the text.
/// One key may seal at most 2^32 texts (NIST SP 800-38D, 8.3).
public struct SealingKeys: Sendable {
    private let current: String
    private let keys: [String: [UInt8]]

    /// Takes keys of 32 bytes by their ids, of 1 to 64 bytes of UTF-8. Throws `unsupportedKey` when one of them has another
    /// length, or `current` is none of them.
    public init(current: String, keys: [String: [UInt8]]) throws(CryptoError) {
        guard keys[current] != nil else {
            throw CryptoError(code: .unsupportedKey, subject: "sealing key", reason: "the current key is not there")
        }
        for (id, key) in keys where !(1...64).contains(id.utf8.count) || key.count != AESGCM.keyBytes {
            throw CryptoError(
                code: .unsupportedKey,
                subject: "sealing key",
                reason: "a key has \(AESGCM.keyBytes) bytes, its id 1 to 64"
            )
        }
        self.current = current
        self.keys = keys
    }

    /// One key, which is derived from another one for this purpose (HMAC-SHA256).
    public init(derivedFrom key: [UInt8], for purpose: String) {
        current = "1"
        keys = ["1": HMACSHA256.authenticationCode(for: Array(purpose.utf8), key: key)]
    }

    /// Encrypts `plain` with the current key. It can be opened with the same `context` only, which says what the secret belongs to.
    public func seal(_ plain: [UInt8], context: [UInt8]) throws(CryptoError) -> [UInt8] {
        let nonce = randomBytes(AESGCM.nonceBytes)
        let head = [1, UInt8(current.utf8.count)] + Array(current.utf8)
        let sealed = try AESGCM.seal(plain, key: keys[current] ?? [], nonce: nonce, context: head + context)
        return head + nonce + sealed
    }

    /// Decrypts what `seal` made. Throws `malformed` for anything else, `unknownKey` for a key that is not among these any more, and
    /// `notAuthentic` for another context, for another key with the same id, and after any change.
    public func open(_ sealed: [UInt8], context: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let id = Self.keyID(of: sealed) else {
            throw CryptoError(code: .malformed, subject: "sealed text", reason: "")
        }
        guard let key = keys[id] else { throw CryptoError(code: .unknownKey, subject: "sealed text", reason: "") }
        let head = Array(sealed.prefix(2 + id.utf8.count))
        let rest = sealed.dropFirst(head.count)
        return try AESGCM.open(
            Array(rest.dropFirst(AESGCM.nonceBytes)),
            key: key,
            nonce: Array(rest.prefix(AESGCM.nonceBytes)),
            context: head + context
        )
    }

    /// Whether `sealed` should be sealed again, because another key is the current one now.
    public func isOutdated(_ sealed: [UInt8]) -> Bool { Self.keyID(of: sealed) != current }

    /// A digest by which two processes can tell whether they have the same key with this id: an HMAC of `purpose` with the key, which
    /// tells nothing of the key. Nil for an unknown id.
    public func digest(of id: String, for purpose: String) -> String? {
        keys[id].map { Hexadecimal.encode(HMACSHA256.authenticationCode(for: Array(purpose.utf8), key: $0)) }
    }

    private static func keyID(of sealed: [UInt8]) -> String? {
        guard sealed.count >= 2, sealed[0] == 1, sealed[1] > 0,
            sealed.count >= 2 + Int(sealed[1]) + AESGCM.nonceBytes + AESGCM.tagBytes
        else { return nil }
        return String(validating: sealed[2..<2 + Int(sealed[1])], as: UTF8.self)
    }
}

extension SealingKeys: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<sealing keys>" }
    public var debugDescription: String { "<sealing keys>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
