/// A host that may be called.
public struct HostRule: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: Sendable, Hashable {
        case host(String)
        case subdomains(String)
        case ending(String)
        case origin(String)
    }

    private let kind: Kind

    /// Exactly this host, https on port 443.
    public static func host(_ name: String) -> HostRule { HostRule(kind: .host(name.lowercased())) }

    /// Any host below this domain, https on port 443.
    public static func subdomains(of domain: String) -> HostRule {
        HostRule(kind: .subdomains("." + domain.lowercased()))
    }

    /// Any host whose first label ends as the first label of `ending` does, and that is otherwise the same, https on port 443:
    /// `a1files.blob.example.com` for the ending `files.blob.example.com`. Nil unless `ending` is a host name of at least three
    /// labels: with two of them, a name that anybody may register would be such a host.
    public static func hosts(ending: String) -> HostRule? {
        let name = ending.lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let url = UpstreamURL("https://" + name), url.host == name, url.path == "/", labels.count >= 3,
            labels.allSatisfy({ !$0.isEmpty })
        else { return nil }
        return HostRule(kind: .ending(name))
    }

    /// Exactly the origin of `url`, whatever its scheme and port.
    public static func origin(of url: UpstreamURL) -> HostRule { HostRule(kind: .origin(url.origin)) }

    /// Whether `url` is at this host.
    public func matches(_ url: UpstreamURL) -> Bool {
        switch kind {
        case .host(let name): url.scheme == .https && url.port == 443 && url.host == name
        case .subdomains(let suffix):
            url.scheme == .https && url.port == 443 && url.host.hasSuffix(suffix) && url.host.count > suffix.count
        case .ending(let ending):
            url.scheme == .https && url.port == 443 && url.host.hasSuffix(ending) && url.host.count > ending.count
                && !url.host.dropLast(ending.count).contains(".")
        case .origin(let origin): url.origin == origin
        }
    }

    /// Reads `host.example`, `*.domain.example`, `*ending.domain.example` (`hosts(ending:)`) or an origin such as
    /// `http://127.0.0.1:8090`; nil for anything else.
    public init?(parsing text: String) {
        if text.contains("://") {
            guard let url = UpstreamURL(text), url.path == "/", url.query == nil else { return nil }
            self = .origin(of: url)
            return
        }
        if text.hasPrefix("*"), !text.hasPrefix("*.") {
            guard let rule = HostRule.hosts(ending: String(text.dropFirst())) else { return nil }
            self = rule
            return
        }
        let name = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
        guard let url = UpstreamURL("https://" + name), url.host == name.lowercased(), url.path == "/" else {
            return nil
        }
        self = text.hasPrefix("*.") ? .subdomains(of: name) : .host(name)
    }

    private init(kind: Kind) {
        self.kind = kind
    }

    public var description: String {
        switch kind {
        case .host(let name): name
        case .subdomains(let suffix): "*" + suffix
        case .ending(let ending): "*" + ending
        case .origin(let origin): origin
        }
    }
}
