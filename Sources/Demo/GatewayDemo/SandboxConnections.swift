import MicrosoftSandbox

/// The section `connections` of a gateway in front of a sandbox: one for each service of it that runs exports.
struct SandboxConnections {
    /// The sandbox, by the addresses that the gateway calls.
    let sandbox: SandboxAddresses
    /// The wait between two polls of one export, as the file says it.
    let pollInterval: String
    /// The environment variable that holds the application's secret.
    let secretVariable: String

    var yaml: String { (["connections:"] + SandboxSample.all.flatMap(lines)).joined(separator: "\n") }

    /// One connection, as an element of the list.
    private func lines(_ sample: SandboxSample) -> [String] {
        [
            "  - name: \(sample.connection)",
            "    provider: \(sample.provider)",
            "    apiRoot: \(sandbox.api)",
        ] + sample.hosts(sandbox).map { "    \($0.key): [\"\($0.value)\"]" } + [
            "    requestsPerMinute: 0",
            "    pollInterval: \(pollInterval)",
            "    allowPlainHTTP: true",
        ] + credential(userToken: sample.userToken)
    }

    private func credential(userToken: String?) -> [String] {
        if let userToken {
            return [
                "    # Callers send: Upstream-Authorization: Bearer \(userToken)",
                "    credential:",
                "      type: passThrough",
            ]
        }
        return [
            "    credential:",
            "      type: clientSecret",
            "      authority: \(sandbox.api)",
            "      tenantId: \(SandboxSeed.tenantID)",
            "      clientId: \(SandboxSeed.clientID)",
            "      clientSecret: env:\(secretVariable)",
        ]
    }
}
