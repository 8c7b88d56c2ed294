public import Exports
import NIOCore

/// Runs `work`, which must throw a `ProviderError`, and gives it back.
public func providerError(_ work: () async throws -> some Any) async throws -> ProviderError {
    do {
        _ = try await work()
    } catch let error as ProviderError {
        return error
    }
    throw NothingThrown()
}

/// An error was expected, and none came.
public struct NothingThrown: Error {
    /// Says so.
    public init() {}
}

extension FileBody {
    /// All bytes, of which there are few.
    public func collected() async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await chunk in bytes { all += chunk.readableBytesView.prefix(1 << 20) }
        return all
    }
}
