import Telemetry
import ArgumentParser
import Exports
import Foundation
import Logging
import MicrosoftSandbox
import ProgramSupport
import ServiceLifecycle
import SystemCrypto
import UnixSignals

struct Sandbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves a stand-in for Entra ID, Microsoft Graph and Power BI, with their quirks.",
        discussion: """
            It misbehaves as it is told to: POST a rule to /_sandbox/rules, such as
            {"operation": "*.download", "times": 1, "fault": {"kind": "status", "status": 503}}
            DELETE /_sandbox/rules ends all rules; GET /_sandbox/account tells what happened. The kinds are
            \(SandboxFault.kinds.sorted().joined(separator: ", ")).
            Sources/Sandbox/MicrosoftSandbox/Documentation.docc/Switches.md says what each does.
            """
    )

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"
    @OptionGroup var ports: SandboxPorts
    @Option(help: "The port of the same over TLS, for --tls-certificate.")
    var securePort = 8093
    @Option(help: "A certificate chain in PEM: Entra ID, Graph and Power BI are served over TLS too.")
    var tlsCertificate: String?
    @Option(help: "The private key of --tls-certificate, in PEM.")
    var tlsKey: String?
    @Option(
        help: "A certificate in PEM or DER that the application may sign its assertions with. May stand more than once."
    )
    var certificate: [String] = []
    @Flag(help: "Take an assertion more than once, as Entra ID does and MSAL expects.")
    var acceptRepeatedAssertions = false
    @Option(help: "How long a job runs.")
    var jobDuration = DurationArgument(.seconds(2))
    @Option(help: "How long an access token is good.")
    var tokenLifetime = DurationArgument(.seconds(3600))
    @Option(help: "How long files can be fetched.")
    var downloadLifetime = DurationArgument(.seconds(86_400))
    @Option(help: "The host name to write into links, when clients do not call it by --host.")
    var publicHost: String?

    func validate() throws {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together")
        }
    }

    func run() async throws {
        var settings = SandboxSettings()
        settings.host = host
        settings.apiPort = ports.port
        settings.proxyPort = ports.proxyPort
        settings.blobPort = ports.blobPort
        settings.securePort = securePort
        if let tlsCertificate, let tlsKey {
            settings.tls = SandboxTLS(certificateFile: tlsCertificate, keyFile: tlsKey)
        }
        settings.certificates = try certificate.map(Self.readCertificate)
        settings.acceptsRepeatedAssertions = acceptRepeatedAssertions
        settings.jobDuration = jobDuration.duration
        settings.tokenLifetime = tokenLifetime.duration
        settings.downloadLifetime = downloadLifetime.duration
        settings.publicHost = publicHost
        let log = LogSettings.text(.notice)
        let writer = log.writer()
        defer { writer.close(within: .seconds(2)) }
        let logger = log.logger("sandbox", to: writer.sink)
        let sandbox = MicrosoftSandbox(settings: settings, time: SystemTime(), logger: logger)
        let group = ServiceGroup(
            services: [sandbox, Announcement(sandbox: sandbox)],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }

    private static func readCertificate(path: String) throws -> Certificate {
        guard let data = FileManager.default.contents(atPath: path),
            let certificate = Certificate(pemOrDER: Array(data))
        else { throw ValidationError("\(path) holds no X.509 certificate in PEM or DER") }
        return certificate
    }
}

/// Says where the sandbox listens, once it does.
private struct Announcement: Service, CustomStringConvertible {
    let sandbox: MicrosoftSandbox

    var description: String { "announcement" }

    func run() async throws {
        let addresses = await sandbox.addresses()
        let secure = addresses.secure.map { " secure=\($0)" } ?? ""
        print("sandbox: api=\(addresses.api) proxy=\(addresses.proxy) blob=\(addresses.blob)\(secure)")
        Console.flush()
        try? await gracefulShutdown()
    }
}

/// Standard output for programs that read along.
private enum Console {
    /// Flushes standard output, which is buffered when it is a pipe, because a reader waits for this line.
    static func flush() { fflush(nil) }
}
