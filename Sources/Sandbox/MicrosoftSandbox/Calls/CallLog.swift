import Exports
import HTTPTypes
import Synchronization

/// The calls so far: the newest in full, all of them in numbers.
final class CallLog: Sendable {
    static let limit = 20_000

    private struct State {
        /// A ring once it is full.
        var calls: [SandboxAccount.Call] = []
        var next = 0
        var counts: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func note(_ call: Call, status: Int) {
        note(
            SandboxAccount.Call(
                method: call.method.rawValue,
                path: call.rawPath,
                service: call.operation.service,
                operation: call.operation.name,
                range: call.headers[.range],
                ifRange: call.headers[.ifRange],
                status: status,
                at: call.now
            )
        )
    }

    func note(_ entry: SandboxAccount.Call) {
        state.withLock {
            if $0.calls.count < Self.limit {
                $0.calls.append(entry)
            } else {
                $0.calls[$0.next] = entry
                $0.next = ($0.next + 1) % Self.limit
            }
            $0.counts[entry.operation, default: 0] += 1
        }
    }

    func snapshot() -> (calls: [SandboxAccount.Call], counts: [String: Int]) {
        state.withLock { (Array($0.calls[$0.next...]) + $0.calls[..<$0.next], $0.counts) }
    }
}
