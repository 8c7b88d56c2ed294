import Exports
import GatewayServer
import MicrosoftSandbox
import SystemCrypto

/// The configuration file of a gateway against a sandbox, as an operator would write it.
struct DemoConfiguration {
    let sandbox: SandboxAddresses
    let port: Int
    let ledger: String
    let apiKey: Secret

    func configuration() throws(StartupError) -> GatewayConfiguration {
        try GatewayConfiguration(yaml: yaml, environment: ["SANDBOX_SECRET": SandboxSeed.clientSecret])
    }

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
        connections:
        \(SandboxSample.all.map(connection).joined(separator: "\n"))
        """
    }

    /// One connection, as an element of the list.
    private func connection(_ sample: SandboxSample) -> String {
        let hosts = sample.hosts(sandbox).map { "    \($0.key): [\"\($0.value)\"]" }
        let lines =
            [
                "  - name: \(sample.connection)",
                "    provider: \(sample.provider)",
                "    apiRoot: \(sandbox.api)",
            ] + hosts + [
                "    requestsPerMinute: 0",
                "    pollInterval: 500ms",
                "    allowPlainHTTP: true",
                "    credential: \(sample.userToken == nil ? credential : "{ type: passThrough }")",
            ]
        return lines.joined(separator: "\n")
    }

    private var credential: String {
        "{ type: clientSecret, authority: \"\(sandbox.api)\", tenantId: \(SandboxSeed.tenantID), "
            + "clientId: \(SandboxSeed.clientID), clientSecret: \"env:SANDBOX_SECRET\" }"
    }
}
