public import MicrosoftSandbox
import SystemCrypto

/// The configuration file of a gateway in a container beside the sandbox's, as `Deploy/compose.yaml` starts them.
public struct ContainerConfiguration: Sendable {
    /// The key that callers send. Everybody knows it.
    public static let apiKey = "sandbox-key-not-for-production"
    /// The environment variable that holds the application's secret.
    public static let secretVariable = "SANDBOX_CLIENT_SECRET"

    private let sandbox: SandboxAddresses

    /// Makes the file for a sandbox, by the addresses that the gateway calls.
    public init(sandbox: SandboxAddresses) { self.sandbox = sandbox }

    /// The file.
    public var yaml: String {
        """
        # A gateway in front of the sandbox, which stands for Entra ID, Graph, Power BI and Azure Storage.
        # The ids and secrets are the sandbox's own: fixed, public, and good for nothing else.
        server:
          host: 0.0.0.0
          port: 8080
          apiKeys:
            # The key is: \(Self.apiKey)
            - id: sandbox
              sha256: \(Hexadecimal.encode(SHA256.hash(Array(Self.apiKey.utf8))))
        ledger:
          path: /var/lib/export-gateway/ledger.sqlite
        \(SandboxConnections(sandbox: sandbox, pollInterval: "1s", secretVariable: Self.secretVariable).yaml)

        """
    }
}
