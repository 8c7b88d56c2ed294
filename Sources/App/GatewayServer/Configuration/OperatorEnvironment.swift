import EntraIdentity
import Exports
import Foundation
import Synchronization
import UpstreamHTTP

/// The process's environment and files, as far as the configuration speaks of them.
///
/// Keeps account of the variables that were used, so that a misspelled override is found instead of ignored, and of the keys that were
/// read.
final class OperatorEnvironment: Sendable {
    static let prefix = "EXPORT_GATEWAY_"

    private let variables: [String: String]
    private let readFile: @Sendable (String) throws -> String
    private let used = Mutex(Set<String>())
    private let read = Mutex(ConfigurationKeys())

    init(
        variables: [String: String],
        readFile: @escaping @Sendable (String) throws -> String = { try String(contentsOfFile: $0, encoding: .utf8) }
    ) {
        self.variables = variables
        self.readFile = readFile
    }

    /// The value that replaces `key` of a section: `server`, `drainTimeout` → `EXPORT_GATEWAY_SERVER_DRAIN_TIMEOUT`.
    func override(section: String, key: String) -> (name: String, value: String)? {
        let name = Self.prefix + Self.upperSnake(section) + "_" + Self.upperSnake(key)
        guard let value = variables[name] else { return nil }
        used.withLock { _ = $0.insert(name) }
        return (name, value)
    }

    /// The keys that were read.
    var keys: ConfigurationKeys { read.withLock { $0 } }

    /// Records the value that a key has, its default where it is left out; nil where it has none.
    func record(_ key: String, _ value: String?) { read.withLock { $0.record(key, value) } }

    /// Records the name of an element of a list, such as a caller's id: with it, an element is the same wherever it stands in the list.
    func record(name: String, of element: String) { read.withLock { $0.record(name: name, of: element) } }

    /// The value of a variable that is not ours, such as `AZURE_TENANT_ID`; nil when it is not set or empty.
    func variable(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// The authorities of `SSL_CERT_FILE`, the variable by which OpenSSL, Go and curl are told of them.
    func authorities() throws(StartupError) -> TrustedAuthorities? {
        let name = "SSL_CERT_FILE"
        guard let path = variables[name], !path.isEmpty else { return nil }
        guard let authorities = TrustedAuthorities(pemFile: path) else {
            throw StartupError(name, "the file \(path) cannot be read as certificates in PEM form")
        }
        return authorities
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    /// The secret that `env:NAME` or `file:/path` points at, without a line end at its end.
    func secret(_ reference: String, key: String) throws(StartupError) -> Secret {
        if let name = reference.dropping(prefix: "env:") {
            // The error does not repeat the value: it could be the secret itself.
            guard name.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || Self.isAlphanumeric($0) }) else {
                throw StartupError(key, "must name an environment variable behind env:")
            }
            used.withLock { _ = $0.insert(name) }
            guard let value = variables[name], !value.isEmpty else {
                throw StartupError(key, "the environment variable \(name) is not set")
            }
            return Secret(value)
        }
        if let path = reference.dropping(prefix: "file:") {
            let text: String
            do {
                text = try readFile(path)
            } catch {
                throw StartupError(key, "the file \(path) cannot be read")
            }
            let value = text.hasSuffix("\r\n") || text.hasSuffix("\n") ? String(text.dropLast()) : text
            guard !value.isEmpty else { throw StartupError(key, "the file \(path) is empty") }
            return Secret(value)
        }
        throw StartupError(
            key,
            "must be env:NAME or file:/path; a secret is never written into the configuration itself"
        )
    }

    /// The secret as `secret` gives it, and, where it is a file's, whatever stands there from then on.
    func secretSource(_ reference: String, key: String) throws(StartupError) -> SecretSource {
        let first = try secret(reference, key: key)
        guard reference.hasPrefix("file:") else { return SecretSource(first) }
        return SecretSource(first) { try? self.secret(reference, key: key) }
    }

    /// Refuses variables with our prefix that nothing asked for.
    func refuseUnused() throws(StartupError) {
        let used = used.withLock { $0 }
        if let stray = variables.keys.filter({ $0.hasPrefix(Self.prefix) && !used.contains($0) }).min() {
            throw StartupError(
                stray,
                "this environment variable overrides no configuration key; unset it or correct its name"
            )
        }
    }

    private static func upperSnake(_ name: String) -> String {
        var result = ""
        var previous: Character?
        for character in name {
            if character.isUppercase, previous?.isLowercase == true { result += "_" }
            result += character.uppercased()
            previous = character
        }
        return result
    }
}

extension String {
    func dropping(prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
}
