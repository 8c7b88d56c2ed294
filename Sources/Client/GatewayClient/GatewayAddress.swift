import Foundation
import HTTPFields
import NIOCore

/// The address of a gateway: that below which `/exports` is, a prefix that a proxy adds included.
///
/// Everything is asked for at paths made from it. The `href`s of answers are never followed, so that no answer leads the key to
/// another host.
public struct GatewayAddress: Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with a text, as the end of a sentence that names where the text comes from.
    public struct Invalid: Error, CustomStringConvertible {
        public let description: String
    }

    /// The address without a slash at its end, scheme and host in lower case, the scheme's own port left out.
    public let description: String
    /// Whether it is asked over TLS.
    public let isTLS: Bool
    /// The host where it is a name, as certificates have it: in ASCII, also where the address has other letters (RFC 5280, 7.2). Nil for
    /// an address.
    let hostName: String?
    /// Whether the host is this machine itself, so that plain HTTP shows the key to nobody else.
    public let isLoopback: Bool

    /// Reads `http://…` or `https://…`. User names, queries and fragments are refused: they would end up in logs.
    public init(_ text: String) throws(Invalid) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            scheme == "http" || scheme == "https", let host = Self.host(of: parts), !host.isEmpty
        else { throw Invalid(description: "must be an address such as https://exports.example.com") }
        guard parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil else {
            throw Invalid(description: "must have no user name, no query and no fragment")
        }
        guard (parts.port ?? 1) > 0, (parts.port ?? 1) <= 65_535 else {
            throw Invalid(description: "must have a port of 1 to 65535")
        }
        isTLS = scheme == "https"
        let name = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        let isName = (try? SocketAddress(ipAddress: name, port: 0)) == nil
        isLoopback = name == "localhost" || name == "::1" || (!isName && name.hasPrefix("127."))
        hostName = isName ? parts.encodedHost?.lowercased() : nil
        let port = parts.port.flatMap { $0 == (scheme == "https" ? 443 : 80) ? nil : ":\($0)" } ?? ""
        var path = Substring(parts.percentEncodedPath)
        while path.hasSuffix("/") { path.removeLast() }
        let shown = name.contains(":") ? "[\(name)]" : name
        description = "\(scheme)://\(shown)\(port)\(path)"
    }

    /// The host as people read it. `URLComponents.host` loads the tables of all scripts, which takes longer than a short call, so that
    /// it is asked only where there is something to decode.
    private static func host(of parts: URLComponents) -> String? {
        guard let encoded = parts.encodedHost?.lowercased() else { return nil }
        return encoded.contains("xn--") || encoded.contains("%") ? parts.host?.lowercased() : encoded
    }

    /// The URL of a resource: each step of the path and each part of the query is escaped.
    func url(_ path: [String], query: [(name: String, value: String)] = []) -> String {
        let steps = path.map { "/" + Self.escaped($0) }.joined()
        let pairs = query.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
        return description + steps + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// A step of dots alone would lead to another resource.
    private static func escaped(_ step: String) -> String {
        step == "." || step == ".." ? step.replacing(".", with: "%2E") : PercentEncoding.encode(step)
    }
}
