import Exports
import GatewayClient
import ManualClock
import NIOCore
import NIOSSL
import ScriptedHost
import TestSupport
import Testing

/// Whose certificate is taken for the gateway's.
@Suite(.timeLimit(.minutes(2))) struct CertificateTests {
    /// NIOSSL alone would take a certificate for the address that the name leads to.
    @Test(arguments: [
        ("DNS:localhost", "localhost", true), ("IP:127.0.0.1", "127.0.0.1", true), ("IP:127.0.0.1", "localhost", false),
        ("DNS:other.test", "localhost", false),
    ])
    func itIsForTheHostOfTheAddress(certificate: String, host: String, isTaken: Bool) async throws {
        let files = try CertificateFiles()
        let (chain, key) = try files.issue(for: certificate)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            )
        )
        let secure: @Sendable (any Channel) throws -> Void = {
            try $0.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }
        let server = try await RawServer.start(prepare: secure) { _, _ in [ClientBench.export(ClientBench.running)] }
        var settings = ClientSettings()
        settings.authoritiesFile = files.authority
        let client = try GatewayClient(
            GatewayAddress("https://\(host):\(server.port)"),
            key: GatewayKey(ClientBench.key),
            settings: settings,
            time: ManualTime(pauses: .moveTheClock)
        )
        do {
            let export = try await client.export("e")
            #expect(isTaken && export.id == "e")
        } catch let error as GatewayClientError {
            guard case .untrusted = error else { throw error }
            #expect(!isTaken)
        }
        #expect(server.calls.count == (isTaken ? 1 : 0))
        try await client.shutdown()
        try await server.stop()
    }
}
