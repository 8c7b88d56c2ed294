public import ArgumentParser

/// The commands of clients: they talk to a running gateway and read no configuration.
public enum ClientCommands {
    /// For the list of a program's commands.
    public static let all: [any ParsableCommand.Type] = [
        ExportsCommand.self, ProvidersCommand.self, LoginCommand.self,
    ]
}

struct ExportsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exports",
        abstract: "Creates exports at a running gateway, follows them and downloads their files.",
        discussion: """
            The one line that most people need:
              export-gateway exports create PROVIDER name=value... --download DIR
            Exit codes are in the article Command-Line.
            """,
        subcommands: [
            CreateCommand.self, ListCommand.self, ShowCommand.self, WatchCommand.self, DownloadCommand.self,
            CancelCommand.self, DeliveriesCommand.self,
        ]
    )
}
