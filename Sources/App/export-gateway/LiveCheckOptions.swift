import ArgumentParser
import Exports
import Foundation
import GatewayServer
import JSON
import ProgramSupport

/// The options of `check --live`.
struct LiveCheckOptions: ParsableArguments {
    /// The form of the report.
    enum Output: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Option(name: .customLong("connection"), help: "A connection to check. Repeat it for several.")
    var connections: [String] = []
    @Option(
        name: .customLong("export"),
        help: ArgumentHelp(
            "A file with the export to make, a body as for POST /exports: one for each --connection, in the same order.",
            valueName: "file"
        )
    )
    var exports: [String] = []
    @Flag(help: "Start without asking.")
    var yes = false
    @Option(help: "How long each export may take.")
    var timeout = DurationArgument(Self.defaultTimeout)
    @Option(help: "How many mebibytes of a file are read, about: 1 to 1024.")
    var readLimit = Self.defaultReadLimit
    @Option(help: ArgumentHelp("A file with a user's token, for a connection that acts for users.", valueName: "file"))
    var upstreamTokenFile: String?
    @Option(help: ArgumentHelp("A file with a user's token for the hosts that files come from.", valueName: "file"))
    var downloadTokenFile: String?
    @Option(help: "How the report is written: text or json.")
    var output: Output = .text

    private static let defaultTimeout: Duration = .seconds(1800)
    private static let defaultReadLimit = 8
    /// Bodies are not larger in the gateway either.
    private static let longest = 1 << 20

    /// Whether any of them was given, with another value than its default.
    var isUsed: Bool {
        !connections.isEmpty || !exports.isEmpty || yes || upstreamTokenFile != nil || downloadTokenFile != nil
            || timeout.duration != Self.defaultTimeout || readLimit != Self.defaultReadLimit || output != .text
    }

    func checkLive() throws {
        guard !connections.isEmpty else {
            throw ValidationError("--live makes real exports: name each connection with --connection")
        }
        guard connections.count == exports.count else {
            throw ValidationError("give one --export FILE for each --connection, in the same order")
        }
        guard (1...1024).contains(readLimit) else { throw ValidationError("--read-limit must be 1 to 1024") }
        guard (.seconds(1) ... .seconds(172_800)).contains(timeout.duration) else {
            throw ValidationError("--timeout must be 1s to 48h")
        }
    }

    /// The exports to make.
    func requests() throws -> [LiveConnectionCheck.Request] {
        try zip(connections, exports)
            .map { connection, path in
                LiveConnectionCheck.Request(connection: connection, body: try Self.body(path))
            }
    }

    /// The limits and tokens.
    func options() throws -> LiveConnectionCheck.Options {
        LiveConnectionCheck.Options(
            time: timeout.duration,
            bytes: Int64(readLimit) << 20,
            authorization: try upstreamTokenFile.map { try Self.token($0, "--upstream-token-file") },
            downloadAuthorization: try downloadTokenFile.map { try Self.token($0, "--download-token-file") }
        )
    }

    private static func body(_ path: String) throws -> JSONValue {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("--export: \(path) cannot be read")
        }
        guard data.count <= longest else { throw ValidationError("--export: \(path) is larger than any create") }
        do throws(JSONParser.Failure) {
            return try JSONValue(parsing: data)
        } catch {
            throw ValidationError("--export: \(path) \(error.reason), at byte \(error.offset)")
        }
    }

    private static func token(_ path: String, _ option: String) throws -> Secret {
        guard let data = FileManager.default.contents(atPath: path), data.count <= longest else {
            throw ValidationError("\(option): \(path) cannot be read")
        }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ValidationError("\(option): \(path) must hold one token, and nothing else")
        }
        return Secret(text)
    }
}
