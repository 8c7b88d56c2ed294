import ArgumentParser
import Foundation
import GatewayServer
import SystemCrypto

struct HashKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the entry of server.apiKeys for an API key.",
        discussion: "Reads the key from standard input, so that it stands in no shell history."
    )

    @Flag(help: "Make a new key of 256 random bits; it is shown once, on standard error.")
    var generate = false
    @Option(help: "The caller's name.")
    var id = "caller"

    func run() throws {
        let key: String
        if generate {
            key = Base64URL.encode(randomBytes(32))
            // If the key cannot be shown, its entry must not be printed either.
            guard StandardStreams.write("key (shown once): \(key)\n", to: STDERR_FILENO) else { throw ExitCode.failure }
        } else {
            guard let line = readLine(strippingNewline: true), line.utf8.count >= 16 else {
                throw ValidationError("give a key of at least 16 characters on standard input, or use --generate")
            }
            key = line
        }
        print("- id: \(id)\n  sha256: \(Hexadecimal.encode(SHA256.hash(Array(key.utf8))))")
    }
}
