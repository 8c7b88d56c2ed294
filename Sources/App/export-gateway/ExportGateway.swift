import ArgumentParser
import ClientCommands
import ProgramSupport

/// One HTTP resource, `/exports`, in front of the exports of Microsoft services.
@main
struct ExportGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-gateway",
        abstract: "One HTTP resource, /exports, in front of the exports of Microsoft services.",
        subcommands: [Serve.self, Check.self, Probe.self, HashKey.self, Ledger.self, AuditCommands.self]
            + ClientCommands.all
            + [Sandbox.self, Demo.self]
    )

    static let program = Program("export-gateway")

    static func main() async {
        program.prepare()
        await main(nil)
    }
}
