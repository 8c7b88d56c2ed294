import Exports
import Synchronization

/// Limits how many bytes several readers together read in a second, by making them wait.
final class ReadingPace: Sendable {
    private let debt: Mutex<ReadingDebt>
    private let time: any TimeSource

    /// - Parameter rate: Bytes in a second; 0 for no limit.
    init(rate: Int, time: any TimeSource) {
        debt = Mutex(ReadingDebt(rate: rate, at: time.now()))
        self.time = time
    }

    /// Returns when more may be read after `bytes`, or within a second after `isOver` holds; or throws `CancellationError`.
    ///
    /// - Parameter share: How many share the rate, the readers here being one of them.
    func wait(after bytes: Int, share: Int, unless isOver: () -> Bool) async throws {
        var left = debt.withLock { $0.add(bytes, share: share, at: time.now()) }
        while left > .zero, !isOver() {
            let slice = min(left, .seconds(1))
            try await time.sleep(for: slice)
            left -= slice
        }
    }
}

/// How far readers are ahead of their rate.
struct ReadingDebt: Sendable {
    /// Shorter waits are added up, because pieces are small and a sleep has its cost.
    static let least = Duration.milliseconds(50)

    let rate: Int
    private var owed = Duration.zero
    private var last: Timestamp

    init(rate: Int, at now: Timestamp) {
        self.rate = rate
        last = now
    }

    /// Bytes were read: how long their reader has to wait now.
    mutating func add(_ bytes: Int, share: Int, at now: Timestamp) -> Duration {
        guard rate > 0 else { return .zero }
        // If the clock was set back, no time has passed.
        owed = max(.zero, owed - max(.zero, now - last))
        last = now
        owed += .seconds(Double(bytes) * Double(max(1, share)) / Double(rate))
        return owed < Self.least ? .zero : owed
    }
}
