import Exports
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import Synchronization

/// Reads a whole request body within a length and a time.
struct BodyReader: Sendable {
    var limit: Int
    var timeout: Duration
    var time: any TimeSource

    /// The body's bytes.
    ///
    /// Throws `contentTooLarge`, `requestTimeout`, or `malformedRequest` for a body whose framing is broken. Only here is
    /// `Expect: 100-continue` answered: a request that is refused by its head never gets its body sent.
    func bytes(of call: Call) async throws -> [UInt8] {
        if let length = call.request.headers[.contentLength].flatMap({ Int64($0) }), length > Int64(limit) {
            throw tooLarge
        }
        if call.request.headers[.expect]?.lowercased() == "100-continue" {
            // Fails on a channel without our handler, or one that is closed: then there is nobody to tell.
            try? await call.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted()).get()
        }
        let progress = Progress()
        let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                defer { progress.isRead.store(true, ordering: .releasing) }
                do {
                    return .body(try await call.request.body.collect(upTo: limit))
                } catch is NIOTooManyBytesError {
                    return .tooLarge
                } catch is HTTPParserError {
                    return .broken
                }
            }
            group.addTask {
                // Most bodies have come with their heads: a timer costs more than to read one.
                for _ in 0..<2 {
                    await Task.yield()
                    if progress.isRead.load(ordering: .acquiring) { return nil }
                }
                try await time.sleep(for: timeout)
                return .tooLate
            }
            defer { group.cancelAll() }
            for try await case let outcome? in group { return outcome }
            return .tooLate
        }
        switch outcome {
        case .body(let buffer): return Array(buffer.readableBytesView)
        case .tooLarge: throw tooLarge
        case .broken: throw GatewayError(.malformedRequest, "The framing of the request body is broken.")
        case .tooLate:
            throw GatewayError(
                .requestTimeout,
                "The request body must arrive within \(timeout.wholeSecondsRoundedUp) s."
            )
        }
    }

    private final class Progress: Sendable {
        let isRead = Atomic(false)
    }

    private enum Outcome: Sendable {
        case body(ByteBuffer)
        case tooLarge
        case broken
        case tooLate
    }

    private var tooLarge: GatewayError {
        GatewayError(.contentTooLarge, "The request body must not have more than \(limit) bytes.")
    }
}
