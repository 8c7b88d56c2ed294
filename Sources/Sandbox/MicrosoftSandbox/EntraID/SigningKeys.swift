import Exports
import JSON
import Synchronization
import SystemCrypto

/// What the tenant signs access tokens with, and tells about in its key documents (`Upstream-EntraID, Access tokens`).
///
/// The first key is made when it is first asked for: making one takes a good part of a second.
final class SigningKeys: Sendable {
    struct Key: Sendable {
        var id: String
        var key: PrivateKey
    }

    private struct State {
        /// Newest last: that one signs.
        var published: [Key] = []
        var withdrawn: [Key] = []
    }

    private let state = Mutex(State())

    /// A key that nobody else knows of yet.
    static func makeKey() throws(CryptoError) -> Key {
        let key = try PrivateKey.generate(bits: 2048)
        return Key(id: Base64URL.encode(SHA256.hash(key.publicKey.modulus).prefix(20)), key: key)
    }

    /// The key that signs now.
    func current() throws(CryptoError) -> Key {
        try state.withLock { state throws(CryptoError) -> Key in
            if let newest = state.published.last { return newest }
            let key = try Self.makeKey()
            state.published = [key]
            return key
        }
    }

    /// A new key signs from now on. The others stay published, unless they are withdrawn.
    func rotate(withdrawingOthers: Bool) throws(CryptoError) -> Key {
        _ = try current()
        let key = try Self.makeKey()
        state.withLock {
            if withdrawingOthers {
                $0.withdrawn += $0.published
                $0.published = []
            }
            $0.published.append(key)
        }
        return key
    }

    /// The key with this id, withdrawn or not.
    func publicKey(_ id: String) -> PublicKey? {
        state.withLock { state in
            (state.published + state.withdrawn).first { $0.id == id }?.key.publicKey
        }
    }

    /// The published keys as a key document. Unlike Entra's, it brings no certificates.
    ///
    /// - Parameter issuer: what each key says whose tokens it signs; keys of the v1 document say nothing.
    func document(issuer: String?) throws(CryptoError) -> JSONValue {
        _ = try current()
        let keys = state.withLock { $0.published }
            .map { key -> JSONValue in
                let publicKey = key.key.publicKey
                var members: [String: JSONValue] = [
                    "kty": "RSA", "use": "sig", "kid": .string(key.id), "x5t": .string(key.id),
                    "n": .string(Base64URL.encode(publicKey.modulus)),
                    "e": .string(Base64URL.encode(publicKey.exponent)),
                ]
                members["issuer"] = issuer.map { .string($0) }
                return .object(members)
            }
        return ["keys": .array(keys)]
    }
}

extension PublicKey {
    /// Reads an RSA key from its JSON form (RFC 7518, 6.3.1); nil for anything else.
    convenience init?(jwk: JSONValue) {
        guard jwk["kty"] == "RSA", let modulus = jwk["n"]?.string.flatMap({ Base64URL.decode($0) }),
            let exponent = jwk["e"]?.string.flatMap({ Base64URL.decode($0) })
        else { return nil }
        do throws(CryptoError) {
            try self.init(modulus: modulus, exponent: exponent)
        } catch {
            return nil
        }
    }
}
