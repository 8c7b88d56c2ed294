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
    @Option(help: "The file to write. Left out: standard output.")
    var output: String?

    func run() throws {
        let yaml = ContainerConfiguration(
            sandbox: SandboxAddresses(
                api: "http://\(publicHost):\(ports.port)",
                proxy: "http://\(publicHost):\(ports.proxyPort)",
                blob: "http://\(publicHost):\(ports.blobPort)"
            )
        )
        .yaml
        if let output {
            try yaml.write(toFile: output, atomically: true, encoding: .utf8)
        } else {
            print(yaml, terminator: "")
        }
    }
}
