import Telemetry
import Exports
import Foundation
import Logging
import MicrosoftSandbox
import Synchronization
import SystemCrypto

@testable import GatewayServer

/// A sandbox and a gateway in this process, talked to over real sockets.
struct World: Sendable {
    static let apiKey = "end-to-end-key-5f0e8a"

    let sandbox: MicrosoftSandbox
    let gateway: String
    let ledger: String
    let log: LogLines

    /// Runs `body` in a world of its own, and takes it down afterwards.
    ///
    /// - Parameter stuckAfter: When a job of Intune is replaced; by default long after any test, however busy the machine is.
    static func run<Outcome: Sendable>(
        jobDuration: Duration = .milliseconds(300),
        stuckAfter: String = "1h",
        _ body: @escaping @Sendable (World) async throws -> Outcome
    ) async throws -> Outcome {
        let directory = FileManager.default.temporaryDirectory.appending(path: "end-to-end-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = LogLines()
        var settings = SandboxSettings()
        settings.jobDuration = jobDuration
        let sandbox = MicrosoftSandbox(settings: settings, time: SystemTime(), logger: log.logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await sandbox.run() }
            let ledger = directory.appending(path: "ledger.sqlite").path
            let configuration = try GatewayConfiguration(
                yaml: configuration(for: await sandbox.addresses(), ledger: ledger, stuckAfter: stuckAfter),
                environment: ["SANDBOX_SECRET": SandboxSeed.clientSecret]
            )
            let (listening, announce) = AsyncStream.makeStream(of: String.self)
            group.addTask {
                defer { announce.finish() }
                try await GatewayServer.run(configuration, logger: log.logger, signals: []) { announce.yield($0) }
            }
            var addresses = listening.makeAsyncIterator()
            guard let gateway = await addresses.next() else {
                // The gateway's own error says more than that it does not listen.
                try await group.next()
                throw NotListening()
            }
            let outcome = try await body(World(sandbox: sandbox, gateway: gateway, ledger: ledger, log: log))
            group.cancelAll()
            while await group.nextResult() != nil {}
            return outcome
        }
    }

    struct NotListening: Error {}

    private static func configuration(for sandbox: SandboxAddresses, ledger: String, stuckAfter: String) -> String {
        let credential =
            "{ type: clientSecret, authority: \"\(sandbox.api)\", tenantId: \(SandboxSeed.tenantID), "
            + "clientId: \(SandboxSeed.clientID), clientSecret: \"env:SANDBOX_SECRET\" }"
        let common = "apiRoot: \"\(sandbox.api)\", pollInterval: 50ms, allowPlainHTTP: true"
        let purview =
            "\(common), proxyHosts: [\"\(sandbox.proxy)\"], blobHosts: [\"\(sandbox.blob)\"], requestsPerMinute: 0, "
            + "credential: \(credential)"
        let intune =
            "\(common), blobHosts: [\"\(sandbox.blob)\"], requestsPerMinute: 0, stuckAfter: \(stuckAfter), maximumJobs: 2, "
            + "credential: \(credential)"
        return """
            server:
              port: 0
              drainTimeout: 1s
              apiKeys: [{ id: tests, sha256: \(Hexadecimal.encode(SHA256.hash(Array(apiKey.utf8)))) }]
            ledger: { path: "\(ledger)" }
            engine: { maximumPollInterval: 100ms, reconcileDelay: 50ms }
            connections:
              - { name: purview, provider: graph-ediscovery, \(purview) }
              - { name: legacy, provider: graph-ediscovery, dialect: ediscovery, \(purview) }
              - { name: goals, provider: viva-goals, \(common), credential: { type: passThrough } }
              - { name: reports, provider: power-bi, \(common), credential: \(credential) }
              - { name: devices, provider: intune, \(intune) }
            """
    }
}

/// What was logged, from trace on.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined() } }

    var logger: Logger {
        var settings = LogSettings()
        settings.level = .trace
        return settings.logger("end-to-end", to: LogSink { line in self.lines.withLock { $0.append(line) } })
    }
}
