import ArgumentParser
import Exports
import Foundation
import GatewayServer

/// One HTTP resource, `/exports`, in front of the exports of three Microsoft services.
@main
struct ExportGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-gateway",
        abstract: "One HTTP resource, /exports, in front of Graph eDiscovery, Viva Goals and Power BI exports.",
        subcommands: [Serve.self, Sandbox.self, Demo.self, Check.self, Probe.self, HashKey.self]
    )

    static func main() async {
        StandardStreams.secure()
        CrashOutput.hideMemory(environment: ProcessInfo.processInfo.environment)
        OpenFiles.raiseLimit()
        Processors.limitEventLoops(environment: ProcessInfo.processInfo.environment)
        await main(nil)
    }

    /// An operator's mistake: sysexits' EX_CONFIG.
    static let configurationError = ExitCode(78)

    /// Runs `work`; a mistake of the operator becomes one line that names the key, and exit code 78.
    static func naming<Result>(_ work: () async throws -> Result) async throws -> Result {
        do {
            return try await work()
        } catch let error as StartupError {
            StandardStreams.report("export-gateway: configuration: \(error)\n")
            throw configurationError
        }
    }
}
