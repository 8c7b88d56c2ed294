import HTTPFields
import Exports
import HTTPTypes
import InternetAddresses
import NIOCore

/// The address under which clients reach the gateway: as configured, or as a trusted proxy says. Never as the request itself
/// says, because a client can send any `Host` and any field.
///
/// A trusted proxy has to set or remove all of `Forwarded`, `X-Forwarded-Host`, `X-Forwarded-Proto` and `X-Forwarded-Prefix`:
/// what it passes on from a client counts as the proxy's own statement.
struct PublicAddress: Sendable {
    /// Without a slash at its end; nil where none is configured.
    private let configured: String?
    private let trustedProxies: [IPRange]

    init(configured: String?, trustedProxies: [IPRange] = []) {
        self.configured = configured.map { String($0.reversed().drop { $0 == "/" }.reversed()) }
        self.trustedProxies = trustedProxies
    }

    /// The address before `/exports`, such as `https://exports.contoso.com/gateway`; nil when it is not known.
    ///
    /// - Parameters:
    ///   - fields: The fields of the request.
    ///   - peer: The other end of the connection.
    func base(of fields: HTTPFields, from peer: SocketAddress?) -> String? {
        if let configured { return configured }
        guard let peer, isTrusted(peer), let origin = origin(of: fields) else { return nil }
        let prefix = fields[values: .xForwardedPrefix]
        guard let last = Self.lastElement(prefix) else { return origin }
        return Self.path(last).map { origin + $0 }
    }

    /// Scheme and host. Where both come, `Forwarded` and `X-Forwarded-*` must agree: a proxy that knows only one of them passes
    /// the other on, whoever wrote it.
    private func origin(of fields: HTTPFields) -> String? {
        // Empty lines are ignored, because some proxies cannot remove a field, but only empty it.
        let lines = fields[values: .forwarded].filter { !$0.isEmpty }
        let (hosts, schemes) = (fields[values: .xForwardedHost], fields[values: .xForwardedProto])
        let forwarded = lines.isEmpty ? nil : origin(ofForwarded: lines)
        let named = Self.origin(scheme: Self.lastElement(schemes), host: Self.lastElement(hosts))
        if lines.isEmpty { return named }
        return hosts.isEmpty && schemes.isEmpty || forwarded == named ? forwarded : nil
    }

    /// The statement of the outermost trusted proxy. The last element is from the nearest proxy; the element before it counts
    /// only where the last one names a trusted proxy as its client.
    private func origin(ofForwarded lines: [String]) -> String? {
        guard let elements = ForwardedElement.all(lines), var outermost = elements.last else { return nil }
        for element in elements.dropLast().reversed() {
            guard let client = outermost.client, isTrusted(client) else { break }
            outermost = element
        }
        return Self.origin(scheme: outermost.parameters["proto"], host: outermost.parameters["host"])
    }

    /// Whether what comes from this address is a proxy's own statement.
    func isTrusted(_ address: SocketAddress) -> Bool { trustedProxies.contains { $0.contains(address) } }

    /// The nearest proxy's value in a field that proxies append to.
    private static func lastElement(_ lines: [String]) -> String? {
        lines.last?.split(separator: ",", omittingEmptySubsequences: false).last.map { String(FieldList.trimmed($0)) }
    }

    private static func origin(scheme: String?, host: String?) -> String? {
        guard let scheme = scheme?.lowercased(), ["http", "https"].contains(scheme), let host, HostName.isValid(host)
        else { return nil }
        return "\(scheme)://\(host)"
    }

    /// A valid path without a slash at its end; nil for anything else.
    private static func path(_ text: String) -> String? {
        let steps = text.split(separator: "/", omittingEmptySubsequences: false)
        guard text.utf8.count <= 256, steps.first?.isEmpty == true else { return nil }
        let path = steps.last?.isEmpty == true ? steps.dropLast() : steps
        let isGood = path.dropFirst()
            .allSatisfy { step in
                !step.isEmpty && step != "." && step != ".."
                    && step.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                        default: "-._~".utf8.contains(byte)
                        }
                    }
            }
        return isGood ? path.joined(separator: "/") : nil
    }
}

/// Names of hosts in addresses.
enum HostName {
    /// Whether a text is a plain name or address with an optional port.
    static func isValid(_ authority: String) -> Bool {
        guard (1...255).contains(authority.utf8.count) else { return false }
        var host = authority[...]
        if host.first == "[" {
            guard let end = host.firstIndex(of: "]") else { return false }
            let address = host[host.index(after: host.startIndex)..<end].utf8
            guard !address.isEmpty,
                address.allSatisfy({ UUIDText.isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
            else { return false }
            host = host[host.index(after: end)...]
            guard !host.isEmpty else { return true }
            return host.first == ":" && isPort(host.dropFirst())
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        return !host.isEmpty
            && host.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."): true
                default: false
                }
            }
    }

    private static func isPort(_ text: Substring) -> Bool {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && (Int(text) ?? 0) <= 65_535
    }
}

extension HTTPField.Name {
    static let forwarded = HTTPField.Name("Forwarded")!
    static let xForwardedHost = HTTPField.Name("X-Forwarded-Host")!
    static let xForwardedProto = HTTPField.Name("X-Forwarded-Proto")!
    static let xForwardedPrefix = HTTPField.Name("X-Forwarded-Prefix")!
}
