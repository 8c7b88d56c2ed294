import NIOCore

/// The host in the URL of a webhook: a name of DNS or an address, in one spelling.
public enum WebhookHost: Sendable, Hashable {
    /// Lower case.
    case name(String)
    /// In the usual form, an IPv6 address without its brackets (RFC 5952).
    case address(String)

    /// Reads a host as URLs have it, an IPv6 address without its brackets. Nil for anything that is neither a name nor an address.
    ///
    /// A name has letters of ASCII, digits, dashes and underscores (an international one is written in its form of `xn--`), and
    /// no dot at its end. An address has its usual form: a host whose last part is a number, such as `127.1`, `0x7f.0.0.1` or
    /// `2130706433`, is an address for some programs (https://url.spec.whatwg.org/#ends-in-a-number-checker), and never a name
    /// here.
    public init?(_ text: String) {
        if text.contains(":") || Self.endsInNumber(text) {
            // SwiftNIO would take a zone too, such as `%eth0`.
            guard !text.contains("%"), let address = try? SocketAddress(ipAddress: text, port: 0),
                let usual = address.ipAddress, text.contains(":") || usual == text
            else { return nil }
            self = .address(usual)
        } else {
            let name = text.lowercased()
            guard (1...253).contains(name.utf8.count),
                name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(Self.isLabel)
            else { return nil }
            self = .name(name)
        }
    }

    /// Whether the name is of this machine, whatever a resolver says (RFC 6761, 6.3).
    var isLocalName: Bool {
        guard case .name(let name) = self else { return false }
        return name == "localhost" || name.hasSuffix(".localhost")
    }

    private static func endsInNumber(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let last = parts.last(where: { !$0.isEmpty })?.lowercased() else { return false }
        return last.utf8.allSatisfy { (0x30...0x39).contains($0) } || last.hasPrefix("0x")
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }
}
