public import ArgumentParser
import Exports
import Foundation
import GatewayServer

/// A program beside its commands: what happens before them, and how an operator's mistake ends them.
public struct Program: Sendable {
    /// Its name, which begins what it reports.
    public let name: String

    /// Names a program.
    public init(_ name: String) {
        self.name = name
    }

    /// An operator's mistake: sysexits' EX_CONFIG.
    public static let configurationError = ExitCode(78)

    /// Prepares the process. Call it once, before anything else runs.
    public func prepare() {
        StandardStreams.secure()
        CrashOutput.hideMemory(environment: ProcessInfo.processInfo.environment)
        OpenFiles.raiseLimit()
        Processors.limitEventLoops(environment: ProcessInfo.processInfo.environment)
    }

    /// Runs `work`; a mistake of the operator becomes one line that names the key, and exit code 78.
    public func naming<Result>(_ work: () async throws -> Result) async throws -> Result {
        do {
            return try await work()
        } catch let error as StartupError {
            StandardStreams.report("\(name): configuration: \(error)\n")
            throw Self.configurationError
        }
    }
}
