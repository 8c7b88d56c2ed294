import AsyncHTTPClient
import Exports
public import NIOCore

/// The bytes of a download. They throw `ProviderError` unless exactly the announced bytes come.
///
/// For a single pass. Nothing is read ahead, apart from what the socket's buffer holds. Releasing the iterator ends the call.
public struct UpstreamBytes: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    public typealias Failure = any Error

    let body: HTTPClientResponse.Body
    let expected: Int64?
    let host: String

    public func makeAsyncIterator() -> Iterator {
        Iterator(upstream: body.makeAsyncIterator(), expected: expected, host: host)
    }

    /// Reads the bytes and counts them.
    public struct Iterator: AsyncIteratorProtocol {
        var upstream: HTTPClientResponse.Body.AsyncIterator
        let expected: Int64?
        let host: String
        var received: Int64 = 0

        public mutating func next() async throws -> ByteBuffer? {
            let chunk: ByteBuffer?
            do {
                chunk = try await upstream.next()
            } catch let error as CancellationError {
                throw error
            } catch {
                throw ProviderError(
                    .transient,
                    "\(host) \(TransportFailure.isTimeout(error) ? "stalled" : "broke off") after \(progress).",
                    problem: TransportFailure.isTimeout(error) ? .upstreamTimeout : .upstreamBroken,
                    cause: error
                )
            }
            guard let chunk else {
                if let expected, received != expected { throw wrongLength("ended") }
                return nil
            }
            received += Int64(chunk.readableBytes)
            if let expected, received > expected { throw wrongLength("ran on") }
            return chunk
        }

        private var progress: String { expected.map { "\(received) of \($0) bytes" } ?? "\(received) bytes" }

        private func wrongLength(_ verb: String) -> ProviderError {
            ProviderError(.transient, "The file from \(host) \(verb) after \(progress).", problem: .upstreamBroken)
        }
    }
}
