import ArgumentParser
import Foundation
import GatewayServer
import ProgramSupport

struct Probe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks a running gateway whether it lives: exit code 0 when it does, else 1.",
        discussion: """
            With --config, asks server.operations where it is configured, else the gateway's own port, with TLS where that has \
            it. The certificate is not looked at then: the question is whether the gateway answers, and it is asked on this \
            machine. With --url, https has to have a certificate that the system's authorities vouch for.
            """
    )

    @Option(help: "The configuration file of the gateway.")
    var config: String?
    @Option(help: "The address to ask, in place of a configuration; without a path, /livez.")
    var url: String?
    @Flag(help: "Ask whether it is ready for traffic (/readyz), and not only whether it lives.")
    var ready = false
    @Option(help: "How long to wait for the answer.")
    var timeout = DurationArgument(.seconds(2))

    func validate() throws {
        guard (config == nil) != (url == nil) else { throw ValidationError("give either --config or --url") }
        guard url == nil || !ready else {
            throw ValidationError("--ready goes with --config; write the path into --url")
        }
    }

    func run() async throws {
        let target: HealthProbe.Target
        if let config {
            target = try await ExportGateway.program.naming {
                try HealthProbe.Target(
                    configuration: config,
                    path: ready ? "/readyz" : "/livez",
                    environment: ProcessInfo.processInfo.environment
                )
            }
        } else if let url, let read = HealthProbe.Target(url: url) {
            target = read
        } else {
            throw ValidationError("--url must be an address such as https://exports.example.com/livez")
        }
        do {
            try await HealthProbe(target).run(within: timeout.duration)
        } catch let failure as HealthProbe.Failure {
            StandardStreams.report("export-gateway: \(failure)\n")
            throw ExitCode.failure
        }
    }
}
