import ArgumentParser
import Foundation
import GatewayServer
import ProgramSupport

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration, its keys and its database, and asks for a token on each connection.",
        discussion: """
            With --live, makes one real export on each connection that is named, and reports where the upstream's answers differ \
            from what is documented. The report has no ids, names or tokens in it. Exit code 0: nothing differs. 1: something \
            does. 2: an export did not come to its file.
            """
    )

    @Option(help: "The configuration file.")
    var config: String
    @Flag(help: "Open the keys and certificates, and call nobody.")
    var offline = false
    @Flag(help: "Make real exports, and compare the upstream's answers with what is documented.")
    var live = false
    @OptionGroup(title: "With --live")
    var liveOptions: LiveCheckOptions

    func validate() throws {
        guard live else {
            if liveOptions.isUsed { throw ValidationError("--connection, --export and the like go with --live") }
            return
        }
        guard !offline else { throw ValidationError("--live calls the upstream: leave --offline out") }
        try liveOptions.checkLive()
    }

    func run() async throws {
        let configuration = try await ExportGateway.program.naming {
            try OpenSSLCheck.run()
            return try GatewayConfiguration(path: config, environment: ProcessInfo.processInfo.environment)
        }
        guard !live else {
            try await ExportGateway.program.naming {
                try await configuration.checkSourceAddresses()
                try await LiveCheckRun(options: liveOptions).run(configuration)
            }
            return
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
