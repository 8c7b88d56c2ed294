import CallerIdentity
import Exports
import GatewayAPI
import InternetAddresses
import SystemCrypto
import UpstreamHTTP
import Yams

extension GatewayConfiguration.APIKeyEntry {
    /// Reads `server.apiKeys`.
    static func all(_ server: inout ConfigurationSection) throws(StartupError) -> [GatewayConfiguration.APIKeyEntry] {
        var entries: [GatewayConfiguration.APIKeyEntry] = []
        for var section in try server.sections("apiKeys") {
            let id = try section.callerID(besides: entries.map(\.id))
            let digests = try section.digests(
                "sha256",
                of: "64 hexadecimal digits, as `export-gateway hash-key` prints them"
            )
            guard Set(digests).isDisjoint(with: entries.flatMap(\.sha256)) else {
                throw section.error("sha256", "is the key of another caller too; each needs one of its own")
            }
            let permissions = try section.permissions("permissions", default: .ownExports)
            let weight = try section.weight()
            try section.finish()
            entries.append(.init(id: id, sha256: digests, permissions: permissions, weight: weight))
        }
        return entries
    }
}

extension GatewayConfiguration.Server {
    /// Refuses permissions for connections that there are not.
    func refusePermissions(besides connections: [String]) throws(StartupError) {
        let entries =
            apiKeys.enumerated().map { ("server.apiKeys[\($0)]", $1.permissions) }
            + clientCertificates.enumerated().map { ("server.tls.callers[\($0)]", $1.permissions) }
        for (path, permissions) in entries {
            guard let name = permissions.connections.first(where: { !connections.contains($0) }) else { continue }
            throw StartupError(
                path + ".permissions",
                "there is no connection \(name)" + ObjectReader.suggestion(for: name, among: connections)
                    + "; known are \(connections.joined(separator: ", "))"
            )
        }
    }
}

extension ConfigurationSection {
    /// The mappings of a list; none where the key is left out.
    mutating func sections(_ name: String) throws(StartupError) -> [ConfigurationSection] {
        guard let node = node(name) else { return [] }
        guard case .sequence(let sequence) = node else { throw error(name, "must be a list") }
        var sections: [ConfigurationSection] = []
        for (index, element) in sequence.enumerated() {
            sections.append(
                try ConfigurationSection(element, path: "\(key(name))[\(index)]", environment: environment)
            )
        }
        return sections
    }

    /// The texts of a list; a single one may stand without it, as in a variable. Nil where the key is left out.
    mutating func texts(_ name: String) throws(StartupError) -> [String]? {
        guard case .sequence(let sequence)? = node(name), !isOverridden(name) else {
            return try text(name).map { [$0] }
        }
        // Nothing is another value than none: no permission at all, in place of the usual ones.
        if sequence.isEmpty { record(name, "") }
        var texts: [String] = []
        for element in sequence {
            guard case .scalar(let scalar) = element, !scalar.string.isEmpty else {
                throw error(name, "must be a list of single values")
            }
            texts.append(scalar.string)
        }
        return texts
    }

    /// IP addresses and ranges of them; none where the key is left out.
    mutating func addressRanges(_ name: String) throws(StartupError) -> [IPRange] {
        var ranges: [IPRange] = []
        for text in try texts(name) ?? [] {
            do throws(IPRange.Fault) {
                ranges.append(try IPRange(text))
            } catch {
                throw self.error(name, "\(text.prefix(64)) \(error)")
            }
        }
        if ranges.isEmpty { record(name, nil) }
        return ranges
    }

    /// A caller's id: its exports belong to it for good, so that it must be nobody else's.
    mutating func callerID(besides taken: [String]) throws(StartupError) -> String {
        let id = try requiredText("id")
        let isName = id.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-._".utf8.contains(byte)
            }
        }
        guard id.utf8.count <= 64, isName else {
            throw error("id", "must be 1 to 64 letters, digits, dots, dashes or underscores")
        }
        guard !taken.contains(id), ![Viewer.anonymousID, Delivery.gatewayItself].contains(id) else {
            throw error("id", "\(id) is taken; ids are the callers' names")
        }
        environment.record(name: id, of: path)
        return id
    }

    /// How many turns a caller gets for one of another.
    mutating func weight() throws(StartupError) -> Int { try integer("weight", in: 1...1000, default: 1) }

    /// SHA-256 digests, at least one.
    mutating func digests(_ name: String, of words: String) throws(StartupError) -> [[UInt8]] {
        guard let texts = try texts(name), !texts.isEmpty else { throw error(name, "is required") }
        var digests: [[UInt8]] = []
        for text in texts {
            guard let digest = Hexadecimal.decode(text), digest.count == SHA256.byteCount else {
                throw error(name, "must be \(words)")
            }
            digests.append(digest)
        }
        return digests
    }

    /// What a caller may do.
    mutating func permissions(_ name: String, default fallback: Permissions) throws(StartupError) -> Permissions {
        guard let texts = try texts(name) else { return fallback }
        var granted: [Permission] = []
        for text in texts {
            guard let permission = Permission(text) else {
                throw error(
                    name,
                    "\(text.prefix(64)) is no permission" + ObjectReader.suggestion(for: text, among: Permission.names)
                        + "; there are \(Permission.names.joined(separator: ", ")), and Connections.Use:<name>"
                )
            }
            granted.append(permission)
        }
        return Permissions(granted)
    }
}

extension GatewayConfiguration.TokenIssuer {
    /// Reads `server.entra`; nil where it is left out.
    init?(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        guard node != nil else { return nil }
        var section = try ConfigurationSection(node, path: "server.entra", environment: environment)
        let allowPlainHTTP = try section.bool("allowPlainHTTP", default: false)
        authority = try section.url(
            "authority",
            default: "https://login.microsoftonline.com",
            allowPlainHTTP: allowPlainHTTP
        )
        guard authority.path == "/" else {
            throw section.error("authority", "must be the login host's root; tenants stand in tenantIds")
        }
        guard let tenants = try section.texts("tenantIds"), !tenants.isEmpty else {
            throw section.error("tenantIds", "is required: the tenants whose users and applications may call")
        }
        guard tenants.allSatisfy({ UUIDText.isValid($0) }) else {
            throw section.error("tenantIds", "must be the tenants' ids, UUIDs: a domain can change hands")
        }
        tenantIDs = tenants.map { $0.lowercased() }
        guard let audiences = try section.texts("audiences"), !audiences.isEmpty else {
            throw section.error(
                "audiences",
                "is required: the gateway's own application id, and its id URIs such as api://<id>"
            )
        }
        self.audiences = audiences
        consoleClientID = try section.text("consoleClientId")
        guard consoleClientID.map(UUIDText.isValid) ?? true else {
            throw section.error("consoleClientId", "must be the application's id, a UUID")
        }
        clockSkew = try section.duration("clockSkew", in: .zero ... .seconds(60), default: clockSkew)
        keyRefreshInterval = try section.duration(
            "keyRefreshInterval",
            in: .seconds(1) ... .seconds(3600),
            default: keyRefreshInterval
        )
        for var entry in try section.sections("weights") {
            let caller = try entry.requiredText("caller")
            guard ["user:", "app:"].contains(where: { caller.hasPrefix($0) }) else {
                throw entry.error(
                    "caller",
                    "must be a caller as createdBy shows it: user:<tenant>:<id> or app:<tenant>:<id>"
                )
            }
            guard weights[caller] == nil else { throw entry.error("caller", "\(caller) has a weight already") }
            environment.record(name: caller, of: entry.path)
            weights[caller] = try entry.weight()
            try entry.finish()
        }
        egress = try Egress(section.node("egress"), path: "server.entra.egress", environment)
        try section.finish()
    }
}
