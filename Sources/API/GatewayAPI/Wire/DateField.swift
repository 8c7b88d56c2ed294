import HTTPFields
import Exports
import Synchronization

/// The value of `Date` (RFC 9110, 6.6.1), made once in a second.
final class DateField: Sendable {
    private struct State {
        var second: Int64 = .min
        var text = ""
    }

    private let time: any TimeSource
    private let state = Mutex(State())

    /// Uses the machine's own clock by default, like Hummingbird's `Date`.
    init(time: any TimeSource = SystemTime()) {
        self.time = time
    }

    var value: String {
        let now = time.now().milliseconds
        let second = now >= 0 ? now / 1000 : (now - 999) / 1000
        return state.withLock { state in
            if state.second != second {
                state.second = second
                state.text = HTTPDate.text(Timestamp(milliseconds: second * 1000))
            }
            return state.text
        }
    }
}
