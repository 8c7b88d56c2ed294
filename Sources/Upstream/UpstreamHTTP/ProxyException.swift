import Exports
import InternetAddresses
import NIOCore

/// Hosts that are called without the proxy: one entry of a `NO_PROXY` list, as Go reads it
/// (https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config).
///
/// | entry | matches |
/// |---|---|
/// | `example.com` | this host and all below it |
/// | `.example.com`, `*.example.com` | all hosts below it |
/// | `10.1.2.3`, `2001:db8::1` | this address |
/// | `10.0.0.0/8`, `2001:db8::/32` | addresses in the range |
///
/// Any but a range may have a port, as `example.com:8443` or `[2001:db8::1]:8443`; then it is for this port only. Names are never
/// resolved: addresses and ranges match calls whose URL has an address. `*` alone is not taken: who wants no proxy configures none.
public struct ProxyException: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: Sendable, Hashable {
        case addresses(IPRange)
        /// With a dot at its beginning.
        case below(suffix: String, andItself: Bool)
    }

    private let kind: Kind
    private let port: Int?
    public let description: String

    /// Reads an entry. Nil for anything else than the table allows, also for a name that ends in a number: it would be an address
    /// for some programs, and never a name.
    public init?(_ text: String) {
        description = text
        if let range = try? IPRange(text) {
            (kind, port) = (.addresses(range), nil)
            return
        }
        // An IPv6 address without brackets was read as a range.
        guard !text.contains("/"), let (host, port) = Self.split(text) else { return nil }
        self.port = port
        if let range = try? IPRange(host) {
            kind = .addresses(range)
            return
        }
        let name = host.hasPrefix("*.") ? String(host.dropFirst()) : host
        let bare = name.hasPrefix(".") ? String(name.dropFirst()) : name
        guard Self.isName(bare) else { return nil }
        kind = .below(suffix: "." + bare, andItself: bare == name)
    }

    /// Whether a call to `url` goes past the proxy.
    public func matches(_ url: UpstreamURL) -> Bool {
        guard port == nil || port == url.port else { return false }
        let host = url.host.hasSuffix(".") ? String(url.host.dropLast()) : url.host
        switch kind {
        case .addresses(let range):
            return (try? SocketAddress(ipAddress: host, port: 0)).map { range.contains($0) } ?? false
        case .below(let suffix, let andItself):
            return host.hasSuffix(suffix) && host.count > suffix.count || andItself && host == suffix.dropFirst()
        }
    }

    /// Whether `url` is at this machine or at a link-local address, where the metadata of clouds is.
    static func isNearby(_ url: UpstreamURL) -> Bool {
        let host = url.host.hasSuffix(".") ? String(url.host.dropLast()) : url.host
        if let address = try? SocketAddress(ipAddress: host, port: 0) {
            return nearby.contains { $0.contains(address) }
        }
        return host == "localhost" || host.hasSuffix(".localhost")
    }

    private static let nearby = ["127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10"].compactMap { try? IPRange($0) }

    /// The host in lower case, an IPv6 address without its brackets, and the port.
    private static func split(_ text: String) -> (host: String, port: Int?)? {
        let isBelow = text.hasPrefix(".") || text.hasPrefix("*.")
        let prefix = isBelow ? String(text.prefix { $0 == "*" || $0 == "." }) : ""
        guard prefix.count <= 2, let url = UpstreamURL("http://" + text.dropFirst(prefix.count)), url.path == "/",
            url.query == nil, !text.hasSuffix("/"), !text.hasSuffix("?")
        else { return nil }
        let hasPort = text.last != "]" && text.split(separator: "]").last?.contains(":") == true
        return (prefix + url.host, hasPort ? url.port : nil)
    }

    private static func isName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { !$0.isEmpty } && labels.last?.allSatisfy(\.isNumber) == false
    }
}
