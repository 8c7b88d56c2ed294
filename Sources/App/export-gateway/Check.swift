import ArgumentParser
import Foundation
import GatewayServer
import ProgramSupport

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration, its keys and its database, and asks for a token on each connection."
    )

    @Option(help: "The configuration file.")
    var config: String
    @Flag(help: "Open the keys and certificates, and call nobody.")
    var offline = false

    func run() async throws {
        let configuration = try await ExportGateway.program.naming {
            try OpenSSLCheck.run()
            return try GatewayConfiguration(path: config, environment: ProcessInfo.processInfo.environment)
        }
        print("\(config): valid, \(configuration.connections.count) connection(s)")
        if let sealing = configuration.sealing {
            print("ok   sealing: keys \(sealing.ids.joined(separator: ", ")); \(sealing.current) seals")
        }
        for finding in EgressCheck.run(configuration) { print(finding) }
        if !offline { try await ExportGateway.program.naming { try await configuration.checkSourceAddresses() } }
        let findings =
            offline
            ? KeyCheck.run(configuration)
            : await LedgerCheck.run(configuration) + (try await CallerCheck.run(configuration))
                + (try await ConnectionCheck.run(configuration))
        for finding in findings { print(finding) }
        // Checked last, because a mistake here ends the check.
        if let end = try await ExportGateway.program.naming({ try configuration.checkTLS() }) {
            print("ok   server.tls: the certificate is good until \(end)")
        }
        if findings.contains(where: { !$0.isGood }) { throw ExitCode.failure }
    }
}
