import ArgumentParser
import GatewayClient
import ProgramSupport

struct ShowCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows an export, whatever its status."
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @Argument(help: "The export's id.")
    var id: String

    func run() async throws {
        try await ClientSession.run(client) { session in
            try ExportReport.print(try await session.client.export(id), format.output)
            return .done
        }
    }
}

struct CancelCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancels an export: upstream where the provider can, else its tracking only.",
        discussion: "`cancellation` says what became of the wish. An export that has ended stays as it is."
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @Argument(help: "The export's id.")
    var id: String

    func run() async throws {
        try await ClientSession.run(client) { session in
            try ExportReport.print(try await session.client.cancel(id), format.output)
            return .done
        }
    }
}

struct WatchCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Waits until an export has ended; the exit code says how."
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var limit: TimeoutOptions
    @Argument(help: "The export's id.")
    var id: String

    func run() async throws {
        try await ClientSession.run(client, within: limit.timeout?.duration) { session in
            let ended = try await session.wait(for: id)
            try ExportReport.print(ended, format.output)
            return Ending(of: ended)
        }
    }
}
