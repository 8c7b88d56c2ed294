import ArgumentParser

/// Where the sandbox listens, for those who serve it and for those who call it.
struct SandboxPorts: ParsableArguments {
    @Option(help: "The port of Entra ID, Graph, Power BI and the control plane.")
    var port = 8090
    @Option(help: "The port of the Purview download proxy.")
    var proxyPort = 8091
    @Option(help: "The port of the pre-signed storage host.")
    var blobPort = 8092
}
