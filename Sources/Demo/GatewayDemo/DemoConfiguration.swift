import Exports
import GatewayServer
import MicrosoftSandbox
import SystemCrypto

/// The configuration file of the demonstration's gateway, as an operator would write it.
struct DemoConfiguration {
    let sandbox: SandboxAddresses
    let port: Int
    let ledger: String
    let apiKey: Secret

    func configuration() throws(StartupError) -> GatewayConfiguration {
        try GatewayConfiguration(yaml: yaml, environment: [Self.secretVariable: SandboxSeed.clientSecret])
    }

    private static let secretVariable = "SANDBOX_CLIENT_SECRET"

    private var yaml: String {
        """
        server:
          port: \(port)
          drainTimeout: 5s
          apiKeys:
            - id: demo
              sha256: \(Hexadecimal.encode(SHA256.hash(Array(apiKey.reveal().utf8))))
        ledger:
          path: \(ledger)
        log:
          level: warning
          format: text
        \(SandboxConnections(sandbox: sandbox, pollInterval: "500ms", secretVariable: Self.secretVariable).yaml)
        """
    }
}
