import ArgumentParser
import Foundation
import GatewayServer

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration, and asks for a token on each connection."
    )

    @Option(help: "The configuration file.")
    var config: String
    @Flag(help: "Ask nobody for a token.")
    var offline = false

    func run() async throws {
        let configuration = try await ExportGateway.naming {
            try OpenSSLCheck.run()
            return try GatewayConfiguration(path: config, environment: ProcessInfo.processInfo.environment)
        }
        print("\(config): valid, \(configuration.connections.count) connection(s)")
        if let end = try await ExportGateway.naming({ try configuration.checkTLS() }) {
            print("ok   server.tls: the certificate is good until \(end)")
        }
        if let sealing = configuration.sealing {
            print("ok   sealing: keys \(sealing.ids.joined(separator: ", ")); \(sealing.current) seals")
        }
        guard !offline else { return }
        let findings = try await CallerCheck.run(configuration) + ConnectionCheck.run(configuration)
        for finding in findings { print(finding) }
        if findings.contains(where: { !$0.isGood }) { throw ExitCode.failure }
    }
}
