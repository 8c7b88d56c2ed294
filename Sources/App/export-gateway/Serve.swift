import ArgumentParser
import Foundation
import GatewayServer
import ProgramSupport
import Telemetry

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves exports.",
        discussion: "SIGTERM and SIGINT end it after the downloads under way."
    )

    @Option(help: "The configuration file; Deploy/gateway.example.yaml explains its keys.")
    var config: String

    @Flag(
        help: """
            For the first start after the ledger was restored from a backup: every export that is not known to be started is held until \
            an operator has decided about it. Stop all replicas before.
            """
    )
    var restored = false

    func run() async throws {
        ProcessMemory.configure()
        try await ExportGateway.program.naming {
            let configuration = try GatewayConfiguration(
                path: config,
                environment: ProcessInfo.processInfo.environment
            )
            let writer = configuration.log.writer()
            defer { writer.close(within: .seconds(2)) }
            let logger = configuration.log.logger("export-gateway", to: writer.sink)
            try await GatewayServer.run(configuration, logger: logger, log: writer, isRestored: restored)
        }
    }
}
