import NIOCore

/// The client's end of one download: counts the bytes that the client takes, and attributes failures to the client or the
/// upstream. For one task.
final class ClientEnd {
    private let record: DownloadRecord
    /// Bytes that the client took.
    private(set) var sent: Int64 = 0
    /// The error that `sink` or `finish` threw. Nil if this task was cancelled while it waited for them, because the client did not
    /// cause that.
    private var failure: (any Error)?

    init(_ record: DownloadRecord) { self.record = record }

    func take(_ piece: ByteBuffer, by sink: (ByteBuffer) async throws -> Void) async throws {
        try await attributed { try await sink(piece) }
        sent += Int64(piece.readableBytes)
        record.delivered(piece.readableBytes)
    }

    func finish(
        _ trailers: [(name: String, value: String)] = [],
        by finish: ([(name: String, value: String)]) async throws -> Void
    ) async throws {
        try await attributed { try await finish(trailers) }
    }

    /// Records a download that ended early. Returns the error to throw: the client's own, otherwise a `DownloadFailure`.
    func ended(by error: any Error, _ progress: DownloadProgress) async -> any Error {
        if let failure {
            await record.ended(.clientLeft(failure), progress)
            return failure
        }
        let broken = DownloadFailure(ending: error, after: progress.given)
        await record.ended(.broke(broken), progress)
        return broken
    }

    private func attributed(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch {
            if !(error is CancellationError && Task.isCancelled) { failure = error }
            throw error
        }
    }
}
