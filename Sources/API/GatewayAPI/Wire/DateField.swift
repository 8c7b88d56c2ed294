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

    /// By the machine's own clock, as Hummingbird's `Date` is, unless told otherwise.
    init(time: any TimeSource = SystemTime()) {
        self.time = time
    }

    var value: String {
        let now = time.now().milliseconds
        let second = now >= 0 ? now / 1000 : (now - 999) / 1000
        return state.withLock { state in
            if state.second != second {
                state.second = second
                state.text = Self.text(Timestamp(milliseconds: second * 1000))
            }
            return state.text
        }
    }

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    static func text(_ time: Timestamp) -> String {
        // `1994-11-06T08:49:37.000Z`
        let parts = time.description.split { $0 == "-" || $0 == "T" || $0 == "." }
        let milliseconds = time.milliseconds
        let day = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds - 86_399_999) / 86_400_000
        // The first day of 1970 was a Thursday.
        let weekday = days[Int((day % 7 + 7) % 7)]
        let month = months[(Int(parts[1]) ?? 1) - 1]
        return "\(weekday), \(parts[2]) \(month) \(parts[0]) \(parts[3]) GMT"
    }
}
