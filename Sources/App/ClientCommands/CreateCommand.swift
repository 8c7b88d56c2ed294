import ArgumentParser
import Exports
import Foundation
import GatewayClient
import JSON
import ProgramSupport
import SystemCrypto

struct CreateCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Creates an export; with --wait, waits for its end; with --download, downloads its files.",
        discussion: """
            NAME=VALUE gives an option of the provider as a text, NAME:=JSON as any JSON value. `export-gateway providers ID` shows \
            which options there are. A body from --body is sent as it is.

            The create is tried again where its answer is lost, and is never doubled: it has an idempotency key, which is shown \
            with the export's id, and where the outcome is not known. To go on after a timeout or a signal, use `exports download ID` or the \
            same line with --idempotency-key.
            """
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var limit: TimeoutOptions
    @OptionGroup var downloads: DownloadOptions
    @Argument(help: "The provider's id.")
    var provider: String?
    @Argument(help: ArgumentHelp("The options of the provider.", valueName: "name=value"))
    var options: [String] = []
    @Option(help: "A file with the whole body of the create as JSON; - for standard input.", completion: .file())
    var body: String?
    @Option(help: "What people call the export.")
    var name: String?
    @Option(help: "The connection, where the provider has several.")
    var connection: String?
    @Option(help: "Sends this idempotency key; by default a new one.")
    var idempotencyKey: String?
    @Flag(help: "Wait until the export has ended; the exit code says how.")
    var wait = false
    @Option(help: "Download its files into this directory; implies --wait.", completion: .directory)
    var download: String?

    func validate() throws {
        guard (provider == nil) != (body == nil) else { throw ValidationError("give either a provider or --body") }
        guard body == nil || name == nil && connection == nil && options.isEmpty else {
            throw ValidationError("with --body, everything is in the body")
        }
        guard let key = idempotencyKey else { return }
        guard (1...128).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C })
        else {
            throw ValidationError("--idempotency-key must be 1 to 128 printable ASCII characters, without \" and \\")
        }
    }

    func run() async throws {
        let given = try body.map(CreateBody.read) ?? CreateBody.options(options)
        let key = idempotencyKey ?? Hexadecimal.encode(randomBytes(16))
        try await ClientSession.run(client, within: limit.timeout?.duration, settings: downloads.apply) { session in
            let body = try await complete(given, session.client)
            let created = try await create(body, key, session)
            session.terminal.say(Self.accepted(created.export.id, key, into: download))
            guard wait || download != nil else {
                try ExportReport.print(created.export, format.output)
                return .done
            }
            let ended = try await session.wait(
                for: created.export.id,
                wantsFiles: download != nil,
                from: created
            )
            return try await session.finish(ended, into: download, downloads, format.output)
        }
    }

    /// The body of the create: the provider's options are in the member that the gateway names for it.
    private func complete(_ given: JSONValue, _ client: GatewayClient) async throws -> JSONValue {
        guard let provider else { return given }
        let description = try await client.provider(provider)
        guard let member = description["optionsMember"]?.string else {
            throw GatewayClientError.unexpectedAnswer("The gateway does not say how options of \(provider) are called.")
        }
        var body: [String: JSONValue] = ["provider": .string(provider), member: given]
        body["name"] = name.map { .string($0) }
        body["connection"] = connection.map { .string($0) }
        return .object(body)
    }

    private func create(
        _ body: JSONValue,
        _ key: String,
        _ session: ClientSession
    ) async throws -> (export: GatewayExport, etag: String?) {
        do {
            return try await session.client.createVersion(body, idempotencyKey: key)
        } catch let error where Self.mayHaveCreated(error) {
            session.terminal.say(
                "It is not known whether the export was created. The same command with \(Self.option(key)) creates it once."
            )
            throw error
        }
    }

    /// What is said of an export that was created: how to go on with it, whatever ends the command.
    static func accepted(_ id: String, _ key: String, into directory: String?) -> String {
        let next = "exports " + (directory.map { "download \(id) \(quoted($0)) --wait" } ?? "watch \(id)")
        return "\(id): accepted. To go on with it: \(next), or the same command with \(option(key))"
    }

    /// Whether an export may be there: the gateway did not definitely refuse to create it.
    static func mayHaveCreated(_ error: any Error) -> Bool {
        switch error as? GatewayClientError {
        case .untrusted: false
        case .refused(let problem): problem.isTransient || problem.code == nil || !(400..<500).contains(problem.status)
        default: true
        }
    }

    private static func option(_ key: String) -> String {
        // A word that begins with a hyphen would be read as an option.
        "--idempotency-key" + (key.hasPrefix("-") ? "=" : " ") + quoted(key)
    }

    /// One word for a shell.
    private static func quoted(_ word: String) -> String {
        if word.wholeMatch(of: /[A-Za-z0-9_.\/:=@%+,-]+/) != nil { return word }
        return "'" + word.replacing("'", with: "'\\''") + "'"
    }
}
