public import Audit
public import AuditEngine
import ExportEngine
import Exports
import Foundation
public import SyslogTransport
import UpstreamHTTP
import Yams

extension GatewayConfiguration {
    /// How the audit trail is sealed, and where it goes.
    public struct Audit: Sendable {
        public var keys: AuditTrail.Keys
        public var settings = AuditSettings()
        /// Where heads are appended; nil: nowhere.
        public var headFile: String?
        /// Where rows and heads are sent; nil: nowhere.
        public var syslog: SyslogSettings?
    }
}

extension GatewayConfiguration.Audit {
    /// Reads `audit`: nil where it is left out. No variable stands in for its keys: what is recorded is in the file.
    init?(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        guard let node else { return nil }
        var section = try ConfigurationSection(node, path: "audit", environment: environment)
        guard let secret = try section.secret("key") else {
            throw section.error("key", "is required: env:NAME or file:/path")
        }
        let key = try Self.key(secret, "audit.key")
        var others: [AuditKey] = []
        for (index, text) in (try section.texts("otherKeys") ?? []).enumerated() {
            let name = "audit.otherKeys[\(index)]"
            let other = try Self.key(environment.secret(text, key: name), name)
            guard other.id != key.id, !others.contains(where: { $0.id == other.id }) else {
                throw StartupError(name, "is the same key as another one of audit")
            }
            others.append(other)
        }
        // What they are, and not where they come from.
        section.record("otherKeys", others.map(\.id).joined(separator: "\n"))
        keys = AuditTrail.Keys(key: key, others: others)
        try readHeads(section.node("heads"), environment)
        syslog = try SyslogSettings(syslog: section.node("syslog"), environment)
        try section.finish()
    }

    private mutating func readHeads(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        var section = try ConfigurationSection(node, path: "audit.heads", environment: environment)
        if try section.text("interval") == "never" {
            settings.headInterval = nil
        } else {
            settings.headInterval = try section.duration(
                "interval",
                in: .seconds(1) ... .seconds(86_400),
                default: settings.headInterval ?? .seconds(300)
            )
        }
        headFile = try section.file("file")
        try section.finish()
    }

    private static func key(_ secret: Secret, _ name: String) throws(StartupError) -> AuditKey {
        guard let key = AuditKey(base64: secret) else {
            throw StartupError(name, "must hold 32 bytes in base 64, as `openssl rand -base64 32` makes them")
        }
        return key
    }
}

extension AuditKey {
    /// Reads a key as the configuration has it: 32 bytes in base 64. Nil for anything else.
    public init?(base64 text: Secret) {
        guard let bytes = Data(base64Encoded: text.reveal()) else { return nil }
        self.init(SecretBytes(Array(bytes)))
    }
}

extension SyslogSettings {
    /// Reads `audit.syslog`: nil where it is left out.
    fileprivate init?(syslog node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        guard let node else { return nil }
        var section = try ConfigurationSection(node, path: "audit.syslog", environment: environment)
        let host = try section.requiredText("host")
        guard host.utf8.count <= 253, host.utf8.allSatisfy({ $0.isNameByte || $0 == UInt8(ascii: ":") }) else {
            throw section.error("host", "must be the name or the address of a host, without a port")
        }
        self.init(host: host)
        port = try section.integer("port", in: 1...65_535, default: port)
        hostName = try section.name("hostName", atMost: 255) ?? ProcessInfo.processInfo.hostName
        appName = try section.name("appName", atMost: 48) ?? appName
        queueLimit = try section.integer("queueLimit", in: 100...1_000_000, default: queueLimit)
        let (certificate, key) = (try section.file("certificateFile"), try section.file("keyFile"))
        try section.finish()
        authorities = try environment.authorities()
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            guard let identity = Identity(certificateFile: certificate, keyFile: key) else {
                throw section.error("certificateFile", "or keyFile cannot be read as PEM")
            }
            self.identity = identity
        default: throw section.error("certificateFile", "and keyFile go together")
        }
    }
}

extension ConfigurationSection {
    /// A name as a message of syslog can hold it.
    fileprivate mutating func name(_ key: String, atMost length: Int) throws(StartupError) -> String? {
        guard let text = try text(key) else { return nil }
        guard text.utf8.count <= length, text.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw error(key, "must have at most \(length) printable ASCII characters, and no spaces")
        }
        return text
    }
}

extension RetentionSettings {
    /// Refuses an age of what is not kept.
    func refuse(without audit: GatewayConfiguration.Audit?) throws(StartupError) {
        guard self.audit != nil, audit == nil else { return }
        throw StartupError("retention.audit", "is for a gateway with an audit trail: audit.key is not configured")
    }
}
