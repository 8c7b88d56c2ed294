import HTTPFields
import Exports
import Foundation
import InternetAddresses
import NIOCore

/// An address at an upstream, kept byte for byte: Graph's `$skiptoken` fails when it is decoded and encoded again
/// (`Upstream-Graph, Paging`). Printing it leaves the query out, because a query can be a SAS signature.
public struct UpstreamURL: Sendable, Hashable {
    public enum Scheme: String, Sendable, Hashable {
        case http, https
    }

    public let scheme: Scheme
    /// Lower case; an IPv6 address without its brackets.
    public let host: String
    public let port: Int
    /// The path as it came, `/` when there was none.
    public let path: String
    /// What follows the first `?`, as it came.
    public let query: String?

    /// Reads an absolute http or https URL. Nil for anything else, and for a URL with user information, a fragment,
    /// or bytes that RFC 3986 does not allow.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        guard text.utf8.count <= 8192,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !#""<>\^`{|}"#.utf8.contains($0) }),
            !text.utf8.contains(UInt8(ascii: "#")), let colon = text.range(of: "://"),
            let scheme = Scheme(rawValue: text[..<colon.lowerBound].lowercased())
        else { return nil }
        let rest = text[colon.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = Self.authority(rest[..<end]) else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port ?? (scheme == .https ? 443 : 80)
        let target = rest[end...]
        let questionMark = target.firstIndex(of: "?")
        let path = target[..<(questionMark ?? target.endIndex)]
        // The HTTP client would drop a path that is not UTF-8 when decoded, and call the root of the host.
        guard Self.isTarget(target), PercentEncoding.decode(path) != nil else { return nil }
        self.path = path.isEmpty ? "/" : String(path)
        query = questionMark.map { String(target[target.index(after: $0)...]) }
    }

    /// The root of a host that is known when the program is written: `https://api.powerbi.com/`.
    public init(httpsHost host: StaticString) {
        self.init(scheme: .https, host: host.description.lowercased(), port: 443, path: "/", query: nil)
    }

    private init(scheme: Scheme, host: String, port: Int, path: String, query: String?) {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.query = query
    }

    private static func authority(_ text: Substring) -> (host: String, port: Int?)? {
        guard !text.isEmpty, !text.contains("@") else { return nil }
        var host = text
        var port: Int?
        if text.first == "[" {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            let tail = text[text.index(after: close)...]
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
            if !tail.isEmpty {
                guard tail.first == ":", let value = portNumber(tail.dropFirst()) else { return nil }
                port = value
            }
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            guard let value = portNumber(text[text.index(after: colon)...]) else { return nil }
            port = value
        }
        guard !host.isEmpty,
            text.first == "["
                || host.utf8.allSatisfy({
                    (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
                })
        else { return nil }
        return (host.lowercased(), port)
    }

    /// Whether a path and query can be sent unchanged: the HTTP client would rewrite brackets and percent signs that encode nothing.
    private static func isTarget(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.indices.allSatisfy { index in
            switch bytes[index] {
            case UInt8(ascii: "["), UInt8(ascii: "]"): false
            case UInt8(ascii: "%"): bytes[index...].dropFirst().prefix(2).filter(UUIDText.isHexDigit).count == 2
            default: true
            }
        }
    }

    private static func portNumber(_ text: Substring) -> Int? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(text), (1...65_535).contains(port)
        else { return nil }
        return port
    }

    /// This address with path segments and query parameters added. Each is percent-encoded as a whole, so that an id with `/` or `=` stays
    /// one segment, and an id that is `..` does not lead to another path.
    public func appending(path segments: [String] = [], query parameters: [(name: String, value: String)] = [])
        -> UpstreamURL
    {
        let base = path == "/" ? "" : path.hasSuffix("/") ? String(path.dropLast()) : path
        let added = segments.map { "/" + Self.segment($0) }.joined()
        let pairs = parameters.map {
            PercentEncoding.encode($0.name, keeping: "$") + "=" + PercentEncoding.encode($0.value)
        }
        return UpstreamURL(
            scheme: scheme,
            host: host,
            port: port,
            path: base + added == "" ? "/" : base + added,
            query: pairs.isEmpty ? query : ((query.map { [$0] } ?? []) + pairs).joined(separator: "&")
        )
    }

    /// The dots of `.` and `..` are encoded too: unencoded they would be steps in the path.
    private static func segment(_ text: String) -> String {
        text == "." || text == ".." ? text.replacing(".", with: "%2E") : PercentEncoding.encode(text)
    }

    /// Whether the host is this machine itself, by its name or address.
    public var isLoopback: Bool {
        guard let address = try? SocketAddress(ipAddress: host, port: 0) else { return host == "localhost" }
        return Self.loopback.contains { $0.contains(address) }
    }

    private static let loopback = ["127.0.0.0/8", "::1"].compactMap { try? IPRange($0) }

    /// `https://host[:port]`, the port left out where it is the scheme's own.
    public var origin: String {
        let name = host.contains(":") ? "[\(host)]" : host
        let usual = scheme == .https ? 443 : 80
        return "\(scheme.rawValue)://\(name)" + (port == usual ? "" : ":\(port)")
    }

    /// The whole address with its query: for the request itself, never for a log.
    public func reveal() -> String { origin + path + (query.map { "?" + $0 } ?? "") }
}

extension UpstreamURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { origin + path + (query == nil ? "" : "?<redacted>") }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}
