import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird
import Memory
import NIOCore
import NIOHTTP1
import Synchronization

/// Reads a whole request body, within limits of length, time and memory.
struct BodyReader: Sendable {
    var limit: Int
    /// The limits of trailers.
    var limits: RequestLimits
    var timeout: Duration
    var time: any TimeSource
    /// The budget for the memory of bodies until they are read. Short bodies are not reserved: they come with their heads.
    var memory: MemoryBudget

    /// The bytes of memory besides the body's own: its tasks, their timer, and the bytes on the way from the connection.
    static let plainCost = 32 << 10

    /// The memory of a body of which this number of bytes has come: its buffer grows by doubling, and the allocator keeps some
    /// of the former buffers. Measured (`Capacity, Memory`).
    static func cost(of bytes: Int) -> Int {
        var capacity = 16 << 10
        while capacity < bytes { capacity *= 2 }
        return plainCost + capacity + capacity / 2
    }

    /// The body's bytes.
    ///
    /// Throws `contentTooLarge`, `requestTimeout`, `headerFieldsTooLarge` for its trailers, or `malformedRequest` for a body
    /// with broken framing. Throws `tooManyRequests` where this caller's bodies use the memory of one caller, and `unavailable`
    /// where all bodies use all memory; nothing is read then of a body that was not begun. Only here `Expect: 100-continue` is
    /// answered: a client whose head is refused does not send its body.
    func bytes(of call: Call) async throws -> [UInt8] {
        let length = call.request.headers[.contentLength].flatMap { Int64($0) }
        if let length, length > Int64(limit) { throw tooLarge }
        let isExpected = call.request.headers[.expect]?.lowercased() == "100-continue"
        let isShort = call.hasShortBody
        var reservation: MemoryReservation?
        if !isShort {
            do throws(MemoryRefusal) {
                reservation = try memory.reserve(Self.cost(of: 0), .body, for: call.caller.id)
            } catch {
                throw Self.refusal(error)
            }
        }
        defer { reservation?.release() }
        if isExpected || !isShort { await want(call, isExpected: isExpected) }
        // A short body has nearly always come with its head. Then there is nothing to wait for, and no timer is needed.
        if isShort, ConnectionHandler.hasWholeBodies(on: call.channel) {
            return try await bytes(of: collect(call.request.body, nil))
        }
        let progress = Progress()
        let reserved = reservation
        let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                defer { progress.isRead.store(true, ordering: .releasing) }
                return try await collect(call.request.body, reserved)
            }
            group.addTask {
                // Most bodies have come with their heads, and a timer costs more than to read one. So it is started only if the body
                // is not complete after two turns.
                for _ in 0..<2 {
                    await Task.yield()
                    if progress.isRead.load(ordering: .acquiring) { return nil }
                }
                // The connection may have stopped reading because it holds enough bytes, so it is told that the body is wanted.
                if isShort, !isExpected { await want(call, isExpected: false) }
                try await time.deadline(after: timeout)
                return .tooLate
            }
            defer { group.cancelAll() }
            for try await case let outcome? in group { return outcome }
            return .tooLate
        }
        return try bytes(of: outcome)
    }

    private func bytes(of outcome: Outcome) throws(GatewayError) -> [UInt8] {
        switch outcome {
        case .body(let buffer): return Array(buffer.readableBytesView)
        case .tooLarge: throw tooLarge
        case .refused(let refusal): throw Self.refusal(refusal)
        case .trailersTooLarge: throw limits.tooLarge
        case .broken: throw GatewayError(.malformedRequest, "The framing of the request body is broken.")
        case .tooLate:
            throw GatewayError(
                .requestTimeout,
                "The request body must arrive within \(timeout.wholeSecondsRoundedUp) seconds."
            )
        }
    }

    private func want(_ call: Call, isExpected: Bool) async {
        // Fails on a channel without our handler, and on one that is closed. Both do not matter.
        try? await call.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: isExpected)).get()
    }

    /// - Parameter reservation: Grows with the body; nil for a short body.
    private func collect(_ body: RequestBody, _ reservation: MemoryReservation?) async throws -> Outcome {
        var collected = ByteBuffer()
        var reserved = Self.cost(of: 0)
        do {
            for try await part in body {
                let length = collected.readableBytes + part.readableBytes
                guard length <= limit else { return .tooLarge }
                let cost = Self.cost(of: length)
                if let reservation, cost > reserved {
                    do throws(MemoryRefusal) {
                        try reservation.resize(to: cost)
                    } catch {
                        return .refused(error)
                    }
                    reserved = cost
                }
                collected.writeImmutableBuffer(part)
            }
        } catch HTTPParserError.headerOverflow {
            return .trailersTooLarge
        } catch is HTTPParserError {
            return .broken
        }
        return .body(collected)
    }

    private final class Progress: Sendable {
        let isRead = Atomic(false)
    }

    private enum Outcome: Sendable {
        case body(ByteBuffer)
        case tooLarge
        case refused(MemoryRefusal)
        case trailersTooLarge
        case broken
        case tooLate
    }

    private var tooLarge: GatewayError {
        GatewayError(.contentTooLarge, "The request body must not have more than \(limit) bytes.")
    }

    private static func refusal(_ refusal: MemoryRefusal) -> GatewayError {
        switch refusal {
        case .caller:
            GatewayError(
                .tooManyRequests,
                "This caller's request bodies that have not arrived yet take as much memory as one caller's may. "
                    + "Try again when some of them have.",
                retryAfter: .seconds(1)
            )
        case .full, .released:
            GatewayError(
                .unavailable,
                "The gateway has no memory left for request bodies; try again.",
                retryAfter: .seconds(1)
            )
        }
    }
}
