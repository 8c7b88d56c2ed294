public import Exports

/// A file that holds a token of another issuer, such as the one that Kubernetes projects into a pod
/// (`Upstream-EntraID, Federated tokens`).
///
/// Its writer renews it, so it is read again each time.
public struct FederatedTokenFile: Sendable {
    /// The longest token that is accepted, in bytes.
    static let limit = 64 << 10

    private let path: String

    /// Makes a credential of the file at `path`; nothing is read yet.
    public init(path: String) {
        self.path = path
    }

    /// Checks whether there is a token in the file now. Throws `unauthenticated` when there is none.
    public func check() throws(ProviderError) { _ = try read() }

    /// The token that is there now, without white space around it.
    func read() throws(ProviderError) -> Secret {
        guard let bytes = SmallFile.read(path, upTo: Self.limit) else {
            throw Self.unusable("cannot be read, or is longer than \(Self.limit) bytes")
        }
        let white: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        let token = bytes.drop { white.contains($0) }.reversed().drop { white.contains($0) }.reversed()
        // Three or five parts in Base64url (RFC 7515, 3.1; RFC 7516, 3.1).
        guard token.count(where: { $0 == UInt8(ascii: ".") }) >= 2, token.allSatisfy(\.isTokenByte) else {
            throw Self.unusable("holds no token")
        }
        return Secret(String(decoding: token, as: UTF8.self))
    }

    private static func unusable(_ why: String) -> ProviderError {
        ProviderError(
            .unauthenticated,
            "The file with the federated token by which the gateway signs in \(why). The gateway's operator has to fix it."
        )
    }
}

extension UInt8 {
    fileprivate var isTokenByte: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
