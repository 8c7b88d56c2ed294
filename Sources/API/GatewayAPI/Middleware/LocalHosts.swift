import Exports

/// The names under which clients address a gateway that lets in everybody on its machine.
///
/// A page from elsewhere, open in a browser on that machine, could otherwise reach the gateway: its own name only has to resolve to
/// a loopback address by then ("DNS rebinding"). The browser sends that name as `Host`. No page from elsewhere has a name of the loopback
/// (https://www.rfc-editor.org/rfc/rfc6761, 6.3).
struct LocalHosts: Sendable {
    /// Lowercase, without ports and brackets.
    private let names: Set<String>

    /// - Parameter names: The names and addresses that are accepted beside those of the loopback.
    init(names: Set<String>) {
        self.names = Set(names.map { $0.lowercased() })
    }

    /// Throws `misdirectedRequest` where a request names another host.
    ///
    /// - Parameter authority: The `Host` of the request; nil where it has none, as in HTTP/1.0. No browser leaves it out.
    func check(_ authority: String?) throws(GatewayError) {
        guard let authority, !allows(authority) else { return }
        throw GatewayError(
            .misdirectedRequest,
            "The gateway has no callers, so that it answers only requests for a name of this machine, such as localhost. "
                + "For another name, configure server.publicURL, or callers."
        )
    }

    /// Whether `Host` is a name or an address of the loopback, or one of `names`.
    func allows(_ authority: String) -> Bool {
        let host = Self.host(of: authority).lowercased()
        return names.contains(host) || host == "localhost" || host.hasSuffix(".localhost") || host == "::1"
            || Self.isIPv4Loopback(host)
    }

    /// The authority without its port, and without the brackets of an address of IPv6.
    static func host(of authority: String) -> Substring {
        if authority.first == "[", let end = authority.firstIndex(of: "]") { return authority[..<end].dropFirst() }
        return authority.prefix { $0 != ":" }
    }

    private static func isIPv4Loopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.dropFirst().allSatisfy { UInt8($0) != nil }
    }
}
