import Audit
import AuditEngine
import ExportEngine
import Exports
import Foundation
import SyslogTransport
import Testing

@testable import GatewayServer

/// `audit` of the configuration.
@Suite struct AuditConfigurationTests {
    private static let keys = (0..<3).map { Data(repeating: UInt8($0), count: 32).base64EncodedString() }

    private static func configuration(
        _ audit: String?,
        _ more: String = "",
        variables: [String: String] = [:]
    ) throws -> GatewayConfiguration {
        var yaml = "ledger: { path: /tmp/ledger.sqlite }\n\(more)\n"
        if let audit { yaml += "audit: \(audit)\n" }
        yaml += "connections:\n  - name: first\n    provider: power-bi\n    credential: { type: passThrough }\n"
        let known = ["KEY": keys[0], "OTHER": keys[1], "THIRD": keys[2], "SHORT": "AAAA", "WORD": "secret"]
        return try GatewayConfiguration(
            yaml: yaml,
            OperatorEnvironment(variables: known.merging(variables) { $1 }) { _ in keys[0] + "\n" }
        )
    }

    @Test func nothingSaidIsNoTrail() throws {
        #expect(try Self.configuration(nil).audit == nil)
    }

    @Test func theRestHasDefaults() throws {
        let audit = try #require(try Self.configuration("{ key: \"file:/run/secrets/key\" }").audit)
        #expect(audit.keys.key.id == AuditKey(SecretBytes(Array(repeating: 0, count: 32)))?.id)
        #expect(audit.keys.others.isEmpty && audit.settings == AuditSettings() && audit.headFile == nil)
        #expect(audit.settings.headInterval == .seconds(300) && audit.syslog == nil)
        #expect(!"\(audit)".contains(Self.keys[0]))
    }

    @Test func readsEveryKey() throws {
        let configuration = try Self.configuration(
            "{ key: env:KEY, otherKeys: [env:OTHER, env:THIRD], heads: { interval: 30s, file: /var/heads.ndjson }, "
                + "syslog: { host: logs.example.com, port: 6515, hostName: gateway-1, appName: exports, queueLimit: 500 } }",
            "retention: { audit: 730d }"
        )
        let audit = try #require(configuration.audit)
        #expect(audit.keys.others.count == 2 && audit.settings.headInterval == .seconds(30))
        #expect(audit.headFile == "/var/heads.ndjson")
        let syslog = try #require(audit.syslog)
        #expect((syslog.host, syslog.port, syslog.queueLimit) == ("logs.example.com", 6515, 500))
        #expect((syslog.hostName, syslog.appName) == ("gateway-1", "exports"))
        #expect(configuration.retention.audit == .seconds(730 * 86_400) && configuration.retention.isActive)
        let never = try Self.configuration("{ key: env:KEY, heads: { interval: never } }").audit
        #expect(never?.settings.headInterval == nil)
    }

    @Test(
        arguments: [
            ("{}", "audit.key"), ("{ key: secret }", "audit.key"), ("{ key: env:SHORT }", "audit.key"),
            ("{ key: env:WORD }", "audit.key"), ("{ key: env:UNSET }", "audit.key"),
            ("{ key: env:KEY, otherKeys: [env:KEY] }", "audit.otherKeys[0]"),
            ("{ key: env:KEY, otherKeys: [env:OTHER, env:SHORT] }", "audit.otherKeys[1]"),
            ("{ key: env:KEY, heads: { interval: 10ms } }", "audit.heads.interval"),
            ("{ key: env:KEY, heads: { path: x } }", "audit.heads.path"),
            ("{ key: env:KEY, syslog: {} }", "audit.syslog.host"),
            ("{ key: env:KEY, syslog: { host: \"a/b\" } }", "audit.syslog.host"),
            ("{ key: env:KEY, syslog: { host: a, port: 0 } }", "audit.syslog.port"),
            ("{ key: env:KEY, syslog: { host: a, appName: \"a b\" } }", "audit.syslog.appName"),
            ("{ key: env:KEY, syslog: { host: a, keyFile: /tmp/none } }", "audit.syslog.certificateFile"),
            (
                "{ key: env:KEY, syslog: { host: a, certificateFile: /tmp/none, keyFile: /tmp/none } }",
                "audit.syslog.certificateFile"
            ),
            ("{ keys: [env:KEY] }", "audit.key"),
        ]
    )
    func mistakesNameTheirKey(_ audit: String, _ key: String) throws {
        let error = #expect(throws: StartupError.self) { try Self.configuration(audit) }
        #expect(error?.key == key, "\(audit): \(error.map { "\($0)" } ?? "")")
        #expect(error.map { !"\($0)".contains(Self.keys[0]) } ?? false)
    }

    @Test func anAgeNeedsATrail() throws {
        let error = #expect(throws: StartupError.self) { try Self.configuration(nil, "retention: { audit: 30d }") }
        #expect(error?.key == "retention.audit")
        let short = #expect(throws: StartupError.self) {
            try Self.configuration("{ key: env:KEY }", "retention: { audit: 1h }")
        }
        #expect(short?.key == "retention.audit")
        // What deletes rows, and what seals them, is in the file.
        let variable = ["EXPORT_GATEWAY_AUDIT_KEY": "env:OTHER"]
        #expect(throws: StartupError.self) { try Self.configuration("{ key: env:KEY }", variables: variable) }
    }
}
