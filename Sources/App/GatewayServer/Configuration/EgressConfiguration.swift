import Exports
import NIOCore
import NIOSSL
import SystemCrypto
import UpstreamHTTP
import Yams

extension Egress {
    /// Reads `egress` of the configuration, the way out of everything that has none of its own. Nil where nothing says anything of it.
    init?(ofAll node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        var section = try ConfigurationSection(node, path: "egress", environment: environment, isOverridable: true)
        try self.init(&section)
        guard node != nil || isStated else { return nil }
    }

    /// Reads the `egress` of one connection, or of `server.entra`: a mapping, or the one word `direct`. Nil where it is left out.
    init?(_ node: Node?, path: String, _ environment: OperatorEnvironment) throws(StartupError) {
        guard let node else { return nil }
        guard node.string != "direct" else {
            self.init()
            return
        }
        guard case .mapping = node else { throw StartupError(path, "must be a mapping of keys, or the word direct") }
        var section = try ConfigurationSection(node, path: path, environment: environment)
        try self.init(&section)
        guard isStated else {
            throw StartupError(path, "says nothing; to call directly, write egress: direct, and else leave it out")
        }
    }

    private init(_ section: inout ConfigurationSection) throws(StartupError) {
        self.init()
        proxy = try section.proxy()
        if let file = try section.file("authorities") {
            guard let authorities = TrustedAuthorities(pemFile: file) else {
                throw section.error("authorities", "the file \(file) cannot be read as certificates in PEM form")
            }
            self.authorities = authorities
            // The file is read once.
            section.record("authorities", file + "\n" + authorities.digest)
        }
        trustsSystem = !(try section.bool("onlyAuthorities", default: false))
        guard trustsSystem || authorities != nil else {
            throw section.error("onlyAuthorities", "needs authorities beside it: nobody would be trusted")
        }
        sourceAddress = try section.text("sourceAddress")
        if let sourceAddress {
            guard !sourceAddress.contains("%"), (try? SocketAddress(ipAddress: sourceAddress, port: 0)) != nil else {
                throw section.error("sourceAddress", "must be an IP address of this machine, such as 10.0.0.8")
            }
        }
        try section.finish()
    }

    /// Whether anything differs from calls that need no setting.
    private var isStated: Bool { proxy != nil || authorities != nil || sourceAddress != nil }

    /// How calls go out, as `export-gateway check` shows it: after "goes out". Without the password.
    var words: String {
        var words = "directly"
        if let proxy {
            words = "through the proxy \(proxy.url.origin)"
            if let credentials = proxy.credentials { words += " as \(credentials.user)" }
            if !proxy.exceptions.isEmpty {
                words += ", except to \(proxy.exceptions.map(\.description).joined(separator: ", "))"
            }
        }
        if let authorities {
            words += trustsSystem ? "; trusts \(authorities.file) too" : "; trusts \(authorities.file) alone"
        }
        return sourceAddress.map { words + "; from \($0)" } ?? words
    }
}

extension TrustedAuthorities {
    /// Differs where the certificates do.
    fileprivate var digest: String {
        "\(SHA256.hash(certificates.flatMap { (try? $0.toDERBytes()) ?? [] }))"
    }
}

extension ConfigurationSection {
    /// Reads `proxy`, `proxyUser`, `proxyPassword` and `noProxy`.
    fileprivate mutating func proxy() throws(StartupError) -> EgressProxy? {
        let address = try text("proxy")
        let user = try text("proxyUser")
        let password = try secret("proxyPassword")
        let exceptions = try proxyExceptions("noProxy")
        guard let address else {
            for (name, isThere) in [
                ("proxyUser", user != nil), ("proxyPassword", password != nil), ("noProxy", !exceptions.isEmpty),
            ] where isThere {
                throw error(name, "is for a proxy, and there is none: add proxy, or leave this key out")
            }
            return nil
        }
        return EgressProxy(
            url: try proxyURL(address),
            credentials: try credentials(user, password),
            exceptions: exceptions
        )
    }

    private func proxyURL(_ text: String) throws(StartupError) -> UpstreamURL {
        // The error does not repeat the value, which holds a password then.
        guard !text.contains("@") else {
            throw error("proxy", "must hold no credentials: give them as proxyUser and, by reference, proxyPassword")
        }
        guard !text.lowercased().hasPrefix("https:") else {
            throw error(
                "proxy",
                "must begin with http: a proxy that is itself called with TLS is not supported. TLS with the upstream goes through the tunnel as it is"
            )
        }
        guard let url = UpstreamURL(text), url.scheme == .http, url.path == "/", url.query == nil else {
            throw error("proxy", "must be the address of an HTTP proxy, such as http://proxy.example.com:3128")
        }
        return url
    }

    private func credentials(_ user: String?, _ password: Secret?) throws(StartupError) -> EgressProxy.Credentials? {
        switch (user, password) {
        case (nil, nil): return nil
        case (let user?, let password?):
            guard user.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), !user.contains(":") else {
                throw error("proxyUser", "must have no colon and no control characters (RFC 7617)")
            }
            return EgressProxy.Credentials(user: user, password: password)
        case (_?, nil): throw error("proxyPassword", "is required beside proxyUser: env:NAME or file:/path")
        case (nil, _?): throw error("proxyUser", "is required beside proxyPassword")
        }
    }

    /// A list, or the entries of a `NO_PROXY` variable: one text with commas.
    private mutating func proxyExceptions(_ name: String) throws(StartupError) -> [ProxyException] {
        var exceptions: [ProxyException] = []
        for text in try texts(name) ?? [] {
            for entry in text.split(whereSeparator: { [",", " ", "\t"].contains($0) }) {
                guard let exception = ProxyException(entry.lowercased()) else {
                    throw error(
                        name,
                        "\(entry.prefix(64)) must be a host such as example.com, .example.com (what is below it), an address or a range such as 10.0.0.0/8, any but a range with or without a port"
                    )
                }
                exceptions.append(exception)
            }
        }
        if exceptions.isEmpty { record(name, nil) }
        return exceptions
    }
}
