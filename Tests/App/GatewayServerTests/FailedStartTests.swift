import Exports
import Foundation
import Logging
import Testing

@testable import GatewayServer

/// A start that fails after the ledger was opened.
@Suite struct FailedStartTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "start-\(UUID().uuidString)")

    /// AsyncHTTPClient ends the process in debug builds where a client is released with its connections open: the operator would
    /// not read which key is wrong.
    @Test func itClosesWhatItOpenedAndNamesTheKey() async throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "no-certificate.pem").path
        try Data("nothing".utf8).write(to: URL(filePath: file))
        let yaml = """
            server: { port: 0, tls: { certificate: \(file), key: \(file) } }
            ledger: { path: \(directory.appending(path: "ledger.sqlite").path) }
            egress: { proxy: "http://127.0.0.1:9", noProxy: [inner.example] }
            connections:
              - { name: first, provider: power-bi, credential: { type: passThrough } }
              - { name: second, provider: power-bi, credential: { type: passThrough }, egress: direct }
            """
        let configuration = try GatewayConfiguration(yaml: yaml, environment: [:])
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        // The second start needs the ledger, which the first one has closed.
        for _ in 1...2 {
            let error = await #expect(throws: StartupError.self) {
                try await GatewayServer.run(configuration, logger: logger, signals: [])
            }
            #expect(error?.key.hasPrefix("server.tls.") == true, "\(String(describing: error))")
        }
    }
}
