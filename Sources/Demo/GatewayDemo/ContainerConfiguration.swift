public import MicrosoftSandbox
import SystemCrypto

/// The configuration file of a gateway in a container beside the sandbox's, as `Deploy/compose.yaml` starts one, and
/// `Deploy/compose.replicas.yaml` several.
public struct ContainerConfiguration: Sendable {
    /// The key that callers send. Everybody knows it.
    public static let apiKey = "sandbox-key-not-for-production"
    /// The environment variable that holds the application's secret.
    public static let secretVariable = "SANDBOX_CLIENT_SECRET"

    /// Where the exports are stored.
    public enum Ledger: Sendable {
        /// In a SQLite file in the container's volume.
        case file
        /// In a PostgreSQL database, which other replicas may share. `url` has no password in it; `password` and `cursorKey` are
        /// references, such as `file:/run/secrets/ledger-password`.
        case shared(url: String, password: String?, cursorKey: String)
    }

    private let sandbox: SandboxAddresses
    private let ledger: Ledger

    /// Makes the file for a sandbox, by the addresses that the gateway calls.
    public init(sandbox: SandboxAddresses, ledger: Ledger = .file) {
        self.sandbox = sandbox
        self.ledger = ledger
    }

    /// The file.
    public var yaml: String {
        let lines =
            [
                "# A gateway in front of the sandbox, which stands for Entra ID, Graph, Power BI and Azure Storage.",
                "# The ids and secrets are the sandbox's own: fixed, public, and good for nothing else.",
                "server:",
                "  host: 0.0.0.0",
                "  port: 8080",
            ] + cursorKeyLines + [
                "  apiKeys:",
                "    # The key is: \(Self.apiKey)",
                "    - id: sandbox",
                "      sha256: \(Hexadecimal.encode(SHA256.hash(Array(Self.apiKey.utf8))))",
                "ledger:",
            ] + ledgerLines + [
                SandboxConnections(sandbox: sandbox, pollInterval: "1s", secretVariable: Self.secretVariable).yaml
            ]
        return lines.joined(separator: "\n") + "\n"
    }

    private var cursorKeyLines: [String] {
        guard case .shared(_, _, let cursorKey) = ledger else { return [] }
        return ["  cursorKey: \(Self.quoted(cursorKey))"]
    }

    private var ledgerLines: [String] {
        switch ledger {
        case .file: ["  path: /var/lib/export-gateway/ledger.sqlite"]
        case .shared(let url, let password, _):
            ["  url: \(Self.quoted(url))"] + (password.map { ["  password: \(Self.quoted($0))"] } ?? [])
        }
    }

    /// A YAML scalar in single quotes, in which only they mean something.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
