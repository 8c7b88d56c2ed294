public import Logging
import Synchronization

/// The least level of the lines that are logged, for all loggers that were made with it. It may be changed while the process runs: the
/// next line of each logger follows it.
public final class LogLevel: Sendable {
    private static let levels = Logger.Level.allCases

    /// The level's place among all levels: an atomic value, because each statement that logs reads it.
    private let place: Atomic<Int>

    /// Makes a level.
    public init(_ level: Logger.Level) {
        place = Atomic(Self.place(of: level))
    }

    /// The level at present.
    public var current: Logger.Level { Self.levels[place.load(ordering: .relaxed)] }

    /// Changes the level.
    public func change(to level: Logger.Level) { place.store(Self.place(of: level), ordering: .relaxed) }

    private static func place(of level: Logger.Level) -> Int { levels.firstIndex(of: level) ?? 0 }
}
