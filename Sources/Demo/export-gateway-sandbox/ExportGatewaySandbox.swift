import ArgumentParser
import ProgramSupport

/// The stand-in for Microsoft's services, apart from the gateway that operators run.
@main
struct ExportGatewaySandbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-gateway-sandbox",
        abstract: "A stand-in for the Microsoft services behind Export Gateway, for tests and for a demonstration.",
        subcommands: [Sandbox.self, Demo.self, ConfigureGateway.self]
    )

    static let program = Program("export-gateway-sandbox")

    static func main() async {
        program.prepare()
        await main(nil)
    }
}
