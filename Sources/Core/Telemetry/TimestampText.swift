import Exports
import Synchronization

/// Writes timestamps as text. All of the text but the milliseconds is made once in a second, and used again.
final class TimestampText: Sendable {
    private struct State {
        var second: Int64 = .min
        /// Up to and with the point before the milliseconds.
        var text: [UInt8] = []
    }

    private let state = Mutex(State())

    /// Appends what `time.description` is.
    func append(_ time: Timestamp, to line: inout [UInt8]) {
        let (quotient, remainder) = time.milliseconds.quotientAndRemainder(dividingBy: 1000)
        let second = remainder < 0 ? quotient - 1 : quotient
        let milliseconds = Int(time.milliseconds - second * 1000)
        state.withLock { state in
            if state.second != second {
                state.second = second
                // Without `000Z`.
                state.text = Array(Timestamp(milliseconds: second * 1000).description.utf8.dropLast(4))
            }
            line += state.text
        }
        for digit in [milliseconds / 100, milliseconds / 10 % 10, milliseconds % 10] {
            line.append(UInt8(ascii: "0") + UInt8(digit))
        }
        line.append(UInt8(ascii: "Z"))
    }
}
