import Exports
import NIOCore
import ParallelGzip
import Synchronization
import ZlibReference

@testable import DownloadRelay

/// An upstream that holds one file and breaks off where its plan says, on some answers, until the plan has ended.
final class BreakingUpstream: Sendable {
    /// What it knows of HTTP.
    struct Manners: Sendable {
        var servesRanges = true
        /// Whether its answers have a strong validator.
        var hasValidator = true
        /// Whether it looks at `If-Range`; else it sends the part of whatever it has.
        var heedsValidator = true
        var announcesLength = true
        var sendsGzip = false
    }

    /// How an answer ends early.
    enum Break: Sendable {
        case error
        /// As if the file ended there.
        case end
    }

    private struct State {
        var bytes: [UInt8]
        var version = 1
        var next: [UInt8]?
        /// For each answer, after how many of its bytes it breaks off.
        var breaks: [(after: Int, how: Break)]
        var requests: [FileRange?] = []
    }

    let manners: Manners
    private let state: Mutex<State>

    /// - Parameter next: The file that it has from its second answer on.
    init(
        _ bytes: [UInt8],
        _ manners: Manners = Manners(),
        breaks: [(after: Int, how: Break)] = [],
        next: [UInt8]? = nil
    ) {
        self.manners = manners
        state = Mutex(State(bytes: bytes, next: next, breaks: breaks))
    }

    /// What it was asked for.
    var requests: [FileRange?] { state.withLock(\.requests) }

    func open(_ range: FileRange?) throws(GatewayError) -> FileBody {
        let (bytes, validator, end) = state.withLock { state -> ([UInt8], String, (after: Int, how: Break)?) in
            if !state.requests.isEmpty, let next = state.next {
                state.bytes = next
                state.version = 2
                state.next = nil
            }
            state.requests.append(range)
            return (state.bytes, "\"v\(state.version)\"", state.breaks.isEmpty ? nil : state.breaks.removeFirst())
        }
        var head = FileBody.Head()
        head.servesRanges = manners.servesRanges
        if manners.hasValidator { head.validator = validator }
        var answer = bytes[...]
        if let range, manners.servesRanges, !manners.heedsValidator || [nil, validator].contains(range.validator) {
            guard range.first < bytes.count else {
                throw GatewayError(ProviderError(.invalid, "The range lies behind the end."))
            }
            let last = min(range.last ?? .max, Int64(bytes.count) - 1)
            head.range = ContentRange(first: range.first, last: last, completeLength: Int64(bytes.count))
            answer = bytes[Int(range.first)...Int(last)]
        }
        if manners.sendsGzip {
            head.contentEncoding = "gzip"
            answer = gzipped(bytes)[...]
        }
        if manners.announcesLength { head.contentLength = Int64(answer.count) }
        guard let end, end.after < answer.count else {
            return FileBody(head: head, bytes: ScriptedBytes(Array(answer), piece: 7001))
        }
        var script = ScriptedBytes(Array(answer.prefix(end.after)), piece: 7001)
        if end.how == .error { script.steps.append(.failure(ProviderError(.transient, "The connection was reset."))) }
        return FileBody(head: head, bytes: script)
    }
}
