import ArgumentParser
import CMalloc
import Foundation
import GatewayServer

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves exports.",
        discussion: "SIGTERM and SIGINT end it after the downloads under way."
    )

    @Option(help: "The configuration file; Deploy/gateway.example.yaml explains its keys.")
    var config: String

    func run() async throws {
        // Pieces of downloads are 256 KiB, thousands in a second: clearing fresh pages for each would cost a fifth of the
        // processor time of a download.
        CMalloc_reuse(1 << 20, 4 << 20)
        try await ExportGateway.naming {
            let configuration = try GatewayConfiguration(
                path: config,
                environment: ProcessInfo.processInfo.environment
            )
            let writer = configuration.log.writer()
            defer { writer.close(within: .seconds(2)) }
            let logger = configuration.log.logger("export-gateway", to: writer.sink)
            try await GatewayServer.run(configuration, logger: logger, log: writer)
        }
    }
}
