import ArgumentParser
import GatewayClient
import JSON
import ProgramSupport

struct DownloadCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "download",
        abstract: "Downloads the files of an export, several at a time, and verifies them.",
        discussion: """
            Each file is NAME.export-gateway-part until it is whole. A download that breaks off goes on where it was; so does one that was \
            ended, when the command is run again.
            """
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var limit: TimeoutOptions
    @OptionGroup var downloads: DownloadOptions
    @Argument(help: "The export's id.")
    var id: String
    @Argument(help: "The directory; it is made where it is not there.", completion: .directory)
    var directory = "."
    @Option(help: "The id of a file, as `show` lists it; may be repeated. By default all files.")
    var file: [String] = []
    @Flag(help: "Wait until the export has ended.")
    var wait = false

    func run() async throws {
        try await ClientSession.run(client, within: limit.timeout?.duration, settings: downloads.apply) { session in
            let export = wait ? try await session.wait(for: id, wantsFiles: true) : try await session.client.export(id)
            guard export.hasEnded else {
                session.terminal.say("\(WaitDisplay.line(export)). It has no files yet; --wait waits for its end.")
                return .conflict
            }
            if !export.hasResult { session.terminal.say(WaitDisplay.line(export)) }
            let only = file.isEmpty ? nil : Set(file)
            return try await session.finish(export, into: directory, only: only, downloads, format.output)
        }
    }
}
