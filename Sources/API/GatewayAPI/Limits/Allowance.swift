import Exports

/// So many units, which come back evenly when they were used: the arithmetic of a limit, without a clock and without I/O.
///
/// A token bucket, written like the generic cell rate algorithm: all that is stored of a caller is the time at which its allowance
/// will be whole again. So the state has one number, nothing has to run between two requests, and a change of the allowance leaves
/// the part of it that is used as it is. Times are nanoseconds of a clock that never goes back.
///
/// See https://www.itu.int/rec/T-REC-I.371/en, annex A.
struct Allowance: Sendable, Hashable {
    /// The most units at once.
    let units: Int
    /// The nanoseconds in which one comes back.
    let interval: Double

    /// So many units in a time.
    init(_ units: Int, in period: Duration) {
        self.init(units: units, interval: Double(period.wholeNanoseconds) / Double(max(1, units)))
    }

    /// So many requests a minute, of which `burst` may come at once.
    init(perMinute requests: Int, burst: Int) {
        // Whole nanoseconds, rounded up: never more than the limit, and sums without an error.
        self.init(units: burst, interval: (60e9 / Double(max(1, requests))).rounded(.up))
    }

    private init(units: Int, interval: Double) {
        (self.units, self.interval) = (max(1, units), interval)
    }

    /// The part of one of several replicas. All parts together are no more than the allowance, but each has at least one unit.
    func share(among replicas: Int) -> Allowance {
        guard replicas > 1 else { return self }
        return Allowance(units: units / replicas, interval: interval * Double(replicas))
    }

    /// The time in which all units come back.
    private var period: Int64 { Int64(Double(units) * interval) }

    /// Uses one unit. Returns the nanoseconds until there is one, and uses nothing, where there is none.
    func take(_ wholeAt: inout Int64, at now: Int64) -> Int64? {
        let after = max(wholeAt, now) + Int64(interval)
        let missing = after - now - period
        guard missing <= 0 else { return missing }
        wholeAt = after
        return nil
    }

    /// Gives a unit back that was taken for nothing.
    func giveBack(_ wholeAt: inout Int64) { wholeAt -= Int64(interval) }

    /// Uses units whether there are so many or not: the rest is owed, and comes back first.
    func charge(_ count: Int64, _ wholeAt: inout Int64, at now: Int64) {
        let time = (Double(max(0, count)) * interval).rounded(.up)
        let latest = now + period + Self.longestDebt
        wholeAt = min(max(wholeAt, now) + Int64(min(time, Double(Self.longestDebt))), latest)
    }

    /// The nanoseconds until anything is left; nil where something is.
    func wait(_ wholeAt: Int64, at now: Int64) -> Int64? {
        let used = wholeAt - now
        return used < period ? nil : used - period + max(1, Int64(interval))
    }

    /// How many units are left.
    func left(_ wholeAt: Int64, at now: Int64) -> Int {
        let used = max(0, wholeAt - now)
        return max(0, units - Int((Double(used) / interval).rounded(.up)))
    }

    /// So that no sum overflows: a year.
    private static let longestDebt: Int64 = 365 * 86_400 * 1_000_000_000
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero.
    var wholeNanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
