import Telemetry
import Exports
import Foundation
import GatewayServer
import Logging
import MicrosoftSandbox
import ServiceLifecycle
import SystemCrypto
import UnixSignals

/// The demonstration: sandbox and gateway in one process, one export on each provider from its creation to a verified file.
public struct DemoRun: Sendable {
    private let port: Int
    private let servesOn: Bool
    private let console: DemoConsole

    /// Makes a run; with `servesOn` it ends at ^C only.
    public init(port: Int, servesOn: Bool) {
        self.port = port
        self.servesOn = servesOn
        console = DemoConsole()
    }

    /// Returns whether every export succeeded and every byte was right. Throws `StartupError` where it cannot start.
    public func run() async throws -> Bool {
        let directory = FileManager.default.temporaryDirectory.appending(path: "export-gateway-demo-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = LogSettings.text(.warning)
        let writer = log.writer()
        defer { writer.close(within: .seconds(2)) }
        let logger = log.logger("demo", to: writer.sink)
        var settings = SandboxSettings()
        settings.jobDuration = .seconds(3)
        let sandbox = MicrosoftSandbox(settings: settings, time: SystemTime(), logger: logger)
        let apiKey = Secret(Base64URL.encode(randomBytes(24)))
        let outcome = DemoOutcome()
        let (listening, announce) = AsyncStream.makeStream(of: String.self)
        let gateway = DemoService("gateway") {
            defer { announce.finish() }
            let configuration = try DemoConfiguration(
                sandbox: await sandbox.addresses(),
                port: port,
                ledger: directory.appending(path: "ledger.sqlite").path,
                apiKey: apiKey
            )
            .configuration()
            try await GatewayServer.run(configuration, logger: logger, signals: []) { announce.yield($0) }
        }
        let exports = DemoService("exports") {
            for await address in listening {
                console.header(sandbox: await sandbox.addresses().api, gateway: address)
                let exports = try DemoExports(gateway: address, apiKey: apiKey, sandbox: sandbox, console: console)
                outcome.set(try await exports.run())
                console.repeatByHand(gateway: address, apiKey: apiKey)
                guard servesOn else { return }
                console.line("\nServing on. ^C ends the demo.")
                try? await gracefulShutdown()
                return
            }
        }
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: sandbox),
                .init(service: gateway),
                .init(service: exports, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = .seconds(5)
        try await ServiceGroup(configuration: group).run()
        return outcome.isGood
    }
}

private struct DemoService: Service, CustomStringConvertible {
    let description: String
    private let work: @Sendable () async throws -> Void

    init(_ description: String, _ work: @escaping @Sendable () async throws -> Void) {
        self.description = description
        self.work = work
    }

    func run() async throws { try await work() }
}
