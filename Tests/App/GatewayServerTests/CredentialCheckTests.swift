import Exports
import Foundation
import Logging
import ManualClock
import SystemCrypto
import Testing

@testable import GatewayServer

/// What `check` and the start say of a certificate that cannot be used: which it is, by the configuration's key.
@Suite struct CredentialCheckTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "check-\(UUID().uuidString)")

    private func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = directory
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    private func connection(_ members: String) throws -> ConnectionConfiguration {
        let members = members.replacing("@", with: directory.path + "/")
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            connections:
              - name: it
                provider: power-bi
                credential: { type: certificate, tenantId: t, clientId: 22222222-2222-2222-2222-222222222222, \(members) }
            """
        let environment = ["RIGHT": "r1ght", "WRONG": "wr0ng"]
        return try GatewayConfiguration(yaml: yaml, environment: environment).connections[0]
    }

    private func mistake(_ members: String, now: Bool = true, days: Int64 = 0) throws -> StartupError? {
        let time = ManualTime(now: Timestamp(milliseconds: SystemTime().now().milliseconds + days * 86_400_000))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let connection = try connection(members)
        do throws(StartupError) {
            try connection.checkCredential(now: now, time: time, logger: logger)
            return nil
        } catch {
            return error
        }
    }

    @Test func eachMistakeHasItsKeyAndItsWords() throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        for name in ["a", "b"] {
            try openssl(
                "req -x509 -newkey rsa:2048 -nodes -keyout \(name).key -out \(name).pem -subj /CN=\(name) -days 2"
            )
        }
        try openssl("pkcs12 -export -inkey a.key -in a.pem -passout pass:r1ght -out a.pfx")
        let pair = "certificate: '@a.pem', key: '@a.key'"
        #expect(try mistake(pair) == nil)
        #expect(try mistake("certificate: '@a.pfx', passphrase: env:RIGHT") == nil)
        for (members, key, words) in [
            ("certificate: '@a.pfx', passphrase: env:WRONG", "passphrase", "is wrong"),
            ("certificate: '@a.pfx'", "passphrase", "is needed"),
            ("certificate: '@b.pem', key: '@a.key'", "certificate", "doesn't fit"),
            ("certificate: '@a.pem'", "certificate", "no private key"),
            ("certificate: '@a.pem', key: '@none'", "key", "cannot be opened"),
            ("certificate: '@none', key: '@a.key'", "certificate", "cannot be opened"),
        ] {
            let mistake = try mistake(members, now: false)
            #expect(mistake?.key == "connections[0].credential.\(key)", "\(members)")
            #expect(mistake?.detail.contains(words) == true, "\(mistake?.detail ?? "")")
            #expect(mistake.map { "\($0)".contains("wr0ng") } == false)
        }
        for (days, words) in [(3, "has expired"), (-3, "not valid yet")] as [(Int64, String)] {
            let mistake = try mistake(pair, days: days)
            #expect(mistake?.key == "connections[0].credential.certificate")
            #expect(mistake?.detail.contains(words) == true)
            // It may be replaced at any time: the gateway starts.
            #expect(try self.mistake(pair, now: false, days: days) == nil)
        }
    }
}
