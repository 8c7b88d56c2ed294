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
          - name: purview
            provider: graph-ediscovery
            apiRoot: \(sandbox.api)
            proxyHosts: ["\(sandbox.proxy)"]
            blobHosts: ["\(sandbox.blob)"]
            requestsPerMinute: 0
            pollInterval: 500ms
            allowPlainHTTP: true
            credential: \(credential)
          - name: goals
            provider: viva-goals
            apiRoot: \(sandbox.api)
            pollInterval: 500ms
            allowPlainHTTP: true
            credential: { type: passThrough }
          - name: reports
            provider: power-bi
            apiRoot: \(sandbox.api)
            pollInterval: 500ms
            allowPlainHTTP: true
            credential: \(credential)
          - name: devices
            provider: intune
            apiRoot: \(sandbox.api)
            blobHosts: ["\(sandbox.blob)"]
            requestsPerMinute: 0
            pollInterval: 500ms
            allowPlainHTTP: true
            credential: \(credential)
        """
    }

    private var credential: String {
        "{ type: clientSecret, authority: \"\(sandbox.api)\", tenantId: \(SandboxSeed.tenantID), "
            + "clientId: \(SandboxSeed.clientID), clientSecret: \"env:SANDBOX_SECRET\" }"
    }
}
