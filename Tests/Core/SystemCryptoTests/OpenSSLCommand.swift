import Foundation
import Testing

/// The `openssl` command in a directory of its own: makes the keys and certificates of a test, which go with it.
struct OpenSSLCommand {
    let directory: URL

    /// Runs `test` with an empty directory, and removes it.
    static func with(_ test: (OpenSSLCommand) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "crypto-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try test(OpenSSLCommand(directory: directory))
    }

    func path(_ name: String) -> String { directory.appending(path: name).path }

    /// Runs `openssl`, or another command, with arguments that are separated by spaces.
    func run(_ arguments: String, of command: String = "openssl") throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [command] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = directory
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let words = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(command) \(arguments): \(words)")
    }

    /// `key.pem` and `certificate.pem`, and one file with both.
    func makePair() throws {
        try run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -subj /CN=gateway -days 2")
        try join(["key.pem", "certificate.pem"], as: "both.pem")
    }

    func join(_ names: [String], as name: String) throws {
        let parts = try names.map { try Data(contentsOf: directory.appending(path: $0)) }
        try Data(parts.joined()).write(to: directory.appending(path: name))
    }
}
