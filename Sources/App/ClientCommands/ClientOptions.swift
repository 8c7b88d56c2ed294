import ArgumentParser
import ProgramSupport

/// How answers are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// For people. What it looks like may change.
    case table
    /// For programs: the gateway's own JSON.
    case json
}

/// What every command of a client takes.
struct ClientOptions: ParsableArguments, Sendable {
    @Option(help: "The gateway's address; else EXPORT_GATEWAY_URL, else the only one that login has stored.")
    var server: String?
    @Option(
        help: "A file with the key; else EXPORT_GATEWAY_KEY, else what login has stored for the gateway.",
        completion: .file()
    )
    var keyFile: String?
    @Flag(help: "Let the key go over plain HTTP to another machine.")
    var allowPlainHTTP = false
    @Option(help: "How often a call that failed, or a download that got no further, is tried again.")
    var retries = 4

    func validate() throws {
        guard (0...100).contains(retries) else { throw ValidationError("--retries must be 0 to 100") }
    }
}

/// How a command prints what it has found.
struct OutputOptions: ParsableArguments, Sendable {
    @Option(name: .shortAndLong, help: "What is printed on standard output.")
    var output = OutputFormat.table
}

/// How long a command may take.
struct TimeoutOptions: ParsableArguments, Sendable {
    @Option(help: "End after this time, such as 30s, 15m or 2h, with exit code 42; the export goes on.")
    var timeout: DurationArgument?
}
