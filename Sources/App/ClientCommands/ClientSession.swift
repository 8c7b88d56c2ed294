import Exports
import Foundation
import GatewayClient
import GatewayServer
import UnixSignals

/// The run of one command: its client, and what ends it.
struct ClientSession: Sendable {
    let client: GatewayClient
    let terminal: Terminal

    /// Runs `work` until it ends, a signal comes or the time is over, and ends the command with the exit code for that.
    ///
    /// - Parameter key: Used in place of the one that options, environment and store give.
    static func run(
        _ options: ClientOptions,
        key: GatewayKey? = nil,
        within limit: Duration? = nil,
        settings: (inout ClientSettings) -> Void = { _ in },
        _ work: @escaping @Sendable (ClientSession) async throws -> Ending
    ) async throws {
        ProcessMemory.configure()
        var setup = try ClientSetup(options, environment: ProcessInfo.processInfo.environment)
        if let key { setup.key = key }
        var client = try setup.client(options, settings)
        let terminal = Terminal(descriptor: STDERR_FILENO)
        client.onRetry = { error, pause in
            terminal.say("\(error) Trying again in \(Figures.duration(pause)).")
        }
        let session = ClientSession(client: client, terminal: terminal)
        let ending = await session.ended(within: limit, work)
        try await client.shutdown()
        try ending.end()
    }

    private func ended(within limit: Duration?, _ work: @escaping @Sendable (ClientSession) async throws -> Ending)
        async -> Ending
    {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return await withTaskGroup(of: Ending?.self) { group in
            group.addTask { await finished(work) }
            group.addTask {
                for await signal in signals { return signal == .sigint ? .interrupted : .terminated }
                return nil
            }
            if let limit {
                group.addTask {
                    guard (try? await client.time.deadline(after: limit)) != nil else { return nil }
                    terminal.say("The time is over.")
                    return .timedOut
                }
            }
            defer { group.cancelAll() }
            for await ending in group {
                if let ending { return ending }
            }
            return .failure
        }
    }

    private func finished(_ work: @Sendable (ClientSession) async throws -> Ending) async -> Ending {
        do {
            return try await work(self)
        } catch let error as GatewayClientError {
            terminal.say("\(error)")
            return Ending(of: error)
        } catch let error as Output.Unwritable {
            terminal.say("\(error)")
            return .failure
        } catch is CancellationError {
            // Whatever cancelled it has said how the command ends.
            return .failure
        } catch {
            terminal.say("\(error)")
            return .failure
        }
    }
}
