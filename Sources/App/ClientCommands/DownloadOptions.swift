import ArgumentParser
import GatewayClient

/// How files are downloaded.
struct DownloadOptions: ParsableArguments, Sendable {
    @Option(help: "How many files are downloaded at a time, 1 to 16.")
    var parallel = 4
    @Flag(help: "Replace files that are there already with other bytes.")
    var replace = false
    @Flag(help: "Take a file that nothing vouches for: no digest, and no record of its delivery.")
    var allowUnverified = false
    @Flag(help: "Wait until the disk has each file before it gets its name.")
    var sync = false

    func validate() throws {
        guard (1...16).contains(parallel) else { throw ValidationError("--parallel must be 1 to 16") }
    }

    func apply(to settings: inout ClientSettings) {
        settings.parallelDownloads = parallel
        settings.takesUnverifiedFiles = allowUnverified
        settings.syncsFiles = sync
    }
}
