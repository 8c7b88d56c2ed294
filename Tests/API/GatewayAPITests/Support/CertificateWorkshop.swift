import Exports
import Foundation
import GatewayAPI
import NIOSSL
import Testing

/// Authorities and certificates, made by the `openssl` command in a directory that goes with the object.
final class CertificateWorkshop: Sendable {
    private let directory: URL

    /// Makes the authorities `ca` and `other-ca`, and `server` by the first of them.
    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "workshop-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let configuration = """
            [req]
            distinguished_name = name
            [name]
            [authority]
            basicConstraints = critical,CA:TRUE
            keyUsage = critical,keyCertSign
            [leaf]
            basicConstraints = CA:FALSE
            subjectAltName = DNS:localhost
            """
        try write(configuration, as: "openssl.cnf")
        for name in ["ca", "other-ca"] { try make(name, "/CN=\(name)", "-x509 -extensions authority") }
        try issue("server")
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func path(_ name: String) -> String { directory.appending(path: name).path }

    func write(_ text: String, as name: String) throws {
        try Data(text.utf8).write(to: directory.appending(path: name), options: .atomic)
    }

    /// Replaces one file by another, as whoever renews certificates does.
    func replace(_ name: String, by other: String) throws {
        try Data(contentsOf: directory.appending(path: other))
            .write(to: directory.appending(path: name), options: .atomic)
    }

    /// Makes `<name>.pem` and `<name>.key`.
    func issue(
        _ name: String,
        subject: String = "/CN=localhost",
        by authority: String = "ca",
        key: String = curve
    ) throws {
        try make(
            name,
            subject,
            "-x509 -extensions leaf -CA \(authority).pem -CAkey \(authority).key",
            key
        )
    }

    /// The kind of key that is made where none is named.
    static let curve = "ec -pkeyopt ec_paramgen_curve:P-256"

    private func make(_ name: String, _ subject: String, _ options: String, _ key: String = curve) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let command =
            "openssl req -config openssl.cnf -newkey \(key) -nodes -days 2 \(options)"
        var arguments = command.split(separator: " ").map(String.init)
        arguments += ["-subj", subject, "-keyout", "\(name).key", "-out", "\(name).pem"]
        process.arguments = arguments
        process.currentDirectoryURL = directory
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let words = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl: \(words)")
    }

    /// What a gateway is told of its files.
    var settings: TLSSettings {
        TLSSettings(certificateFile: path("server.pem"), keyFile: path("server.key"))
    }

    /// A client that trusts an authority, and shows a certificate.
    func client(
        trusting authority: String = "ca",
        showing certificate: String? = nil,
        atMost version: TLSVersion? = nil,
        ciphers: String? = nil
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(path("\(authority).pem"))
        configuration.maximumTLSVersion = version
        if let ciphers { configuration.cipherSuites = ciphers }
        if let certificate {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(path("\(certificate).pem"))
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: path("\(certificate).key"), format: .pem))
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// The digest that tells a certificate.
    func der(_ name: String) throws -> [UInt8] {
        try #require(try NIOSSLCertificate.fromPEMFile(path("\(name).pem")).first).toDERBytes()
    }
}
