import Foundation

/// A certificate authority of a test, and certificates that it has issued.
public struct CertificateFiles: Sendable {
    /// Where they are; it goes with the authority.
    public let directory: TemporaryDirectory

    /// Makes the authority.
    public init() throws {
        directory = try TemporaryDirectory()
        try Self.openSSL(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
                + ["-subj", "/CN=Test CA", "-keyout", directory.file("ca.key"), "-out", authority]
        )
    }

    /// The file of the authority's certificate.
    public var authority: String { directory.file("ca.pem") }

    /// A certificate for a host or an address, such as `IP:127.0.0.1`, and its key, as texts.
    public func issue(for name: String) throws -> (certificate: String, key: String) {
        let (key, request, certificate) = (
            directory.file("server.key"), directory.file("server.csr"), directory.file("server.pem")
        )
        let extensions = directory.file("extensions")
        try "subjectAltName = \(name)\n".write(toFile: extensions, atomically: false, encoding: .utf8)
        try Self.openSSL(
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server"]
                + ["-keyout", key, "-out", request]
        )
        try Self.openSSL(
            ["x509", "-req", "-in", request, "-CA", authority, "-CAkey", directory.file("ca.key"), "-CAcreateserial"]
                + ["-days", "2", "-extfile", extensions, "-out", certificate]
        )
        return (
            try String(contentsOfFile: certificate, encoding: .utf8), try String(contentsOfFile: key, encoding: .utf8)
        )
    }

    private struct Failure: Error {
        let words: [String]
    }

    private static func openSSL(_ words: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + words
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(words: words) }
    }
}
