import Exports
import Foundation
import ManualClock
import SystemCrypto
import Testing

/// A certificate with its key, in files of a directory of its own.
struct CertificatePair {
    let directory: URL

    static func with(_ test: (CertificatePair) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "entra-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let pair = CertificatePair(directory: directory)
        try pair.make("first")
        try await test(pair)
    }

    func path(_ name: String) -> String { directory.appending(path: name).path }

    /// `name.key`, `name.pem`, and both in `name.both`.
    func make(_ name: String) throws {
        try openssl("req -x509 -newkey rsa:2048 -nodes -keyout \(name).key -out \(name).pem -subj /CN=\(name) -days 2")
        try join(name)
    }

    /// `name.pem` for `name.csr` by its own key, with dates as ASN.1 writes them, and `name.both`.
    func makeCertificate(_ name: String, from start: String, to end: String) throws {
        let settings = """
            [ca]
            default_ca = it
            [it]
            database = index.txt
            new_certs_dir = .
            rand_serial = yes
            default_md = sha256
            policy = any
            [any]
            commonName = supplied
            """
        try Data(settings.utf8).write(to: directory.appending(path: "ca.cnf"))
        try Data().write(to: directory.appending(path: "index.txt"))
        try openssl(
            "ca -batch -notext -config ca.cnf -selfsign -keyfile \(name).key -in \(name).csr -out \(name).pem "
                + "-startdate \(start) -enddate \(end)"
        )
        try join(name)
    }

    private func join(_ name: String) throws {
        let both = try ["key", "pem"].map { try Data(contentsOf: directory.appending(path: "\(name).\($0)")) }
        try Data(both.joined()).write(to: directory.appending(path: "\(name).both"))
    }

    func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = directory
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    func put(_ source: String, as target: String) throws {
        try Data(contentsOf: directory.appending(path: source)).write(to: directory.appending(path: target))
    }

    func certificate(_ name: String) throws -> Certificate {
        let material = try KeyMaterial.open(path("\(name).both"), passphrase: nil)
        return try #require(material.certificates.first)
    }

    /// A clock that stands within the certificate's days.
    func time() throws -> ManualTime {
        ManualTime(now: Timestamp(milliseconds: try certificate("first").notBefore * 1000 + 60_500))
    }
}
