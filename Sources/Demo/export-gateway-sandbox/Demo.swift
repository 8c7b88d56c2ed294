import ArgumentParser
import GatewayDemo
import ProgramSupport

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs sandbox and gateway in one process, and one export on each provider to its end."
    )

    @Flag(help: "End after one export on each provider instead of serving on.")
    var once = false
    @Option(help: "The gateway's port; 0 takes any free one.")
    var port = 8080

    func run() async throws {
        try await ExportGatewaySandbox.program.naming {
            guard try await DemoRun(port: port, servesOn: !once).run() else { throw ExitCode.failure }
        }
    }
}
