import ArgumentParser
import Foundation
import GatewayDemo
import MicrosoftSandbox

struct ConfigureGateway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway-configuration",
        abstract: "Writes the configuration file of a gateway in a container in front of the sandbox.",
        discussion: """
            It has a connection for each service of the sandbox. The gateway needs the sandbox's client secret in the environment \
            variable \(ContainerConfiguration.secretVariable).
            """
    )

    @OptionGroup var ports: SandboxPorts
    @Option(help: "The host name of the sandbox, as the gateway calls it.")
    var publicHost = "127.0.0.1"
    @Option(help: "A PostgreSQL database that replicas share, as postgresql://USER@HOST/NAME. Left out: a SQLite file.")
    var ledgerUrl: String?
    @Option(help: "Its password, as a reference such as file:/run/secrets/ledger-password.")
    var ledgerPassword: String?
    @Option(help: "The key that signs list cursors on all replicas, as a reference. Goes with --ledger-url.")
    var cursorKey: String?
    @Option(help: "The file to write. Left out: standard output.")
    var output: String?

    func validate() throws {
        guard (ledgerUrl == nil) == (cursorKey == nil) else {
            throw ValidationError("--ledger-url and --cursor-key go together")
        }
        guard ledgerPassword == nil || ledgerUrl != nil else {
            throw ValidationError("--ledger-password is for --ledger-url")
        }
    }

    func run() throws {
        let yaml = ContainerConfiguration(
            sandbox: SandboxAddresses(
                api: "http://\(publicHost):\(ports.port)",
                proxy: "http://\(publicHost):\(ports.proxyPort)",
                blob: "http://\(publicHost):\(ports.blobPort)"
            ),
            ledger: ledger
        )
        .yaml
        if let output {
            try yaml.write(toFile: output, atomically: true, encoding: .utf8)
        } else {
            print(yaml, terminator: "")
        }
    }

    private var ledger: ContainerConfiguration.Ledger {
        guard let ledgerUrl, let cursorKey else { return .file }
        return .shared(url: ledgerUrl, password: ledgerPassword, cursorKey: cursorKey)
    }
}
