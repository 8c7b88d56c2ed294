import ArgumentParser
import Exports
import Foundation
import GatewayServer
import ProgramSupport
import Telemetry

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves exports.",
        discussion: "SIGTERM and SIGINT end it after the downloads under way. SIGHUP reloads the configuration."
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
            let path = config
            let read: @Sendable () throws(StartupError) -> GatewayConfiguration = { () throws(StartupError) in
                try GatewayConfiguration(path: path, environment: ProcessInfo.processInfo.environment)
            }
            let configuration = try read()
            let writer = configuration.log.writer()
            defer { writer.close(within: .seconds(2)) }
            let level = LogLevel(configuration.log.level)
            let logger = configuration.log.logger("export-gateway", to: writer.sink, at: level)
            try await GatewayServer.run(
                configuration,
                logger: logger,
                log: writer,
                isRestored: restored,
                reloads: ReloadSource(logLevel: level, read: read)
            )
        }
    }
}
