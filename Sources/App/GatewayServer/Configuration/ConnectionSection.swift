import Exports
import UpstreamHTTP

/// The section of one connection as its provider reads it: with the connection's cloud, and http only where the connection
/// allows it.
struct ConnectionSection: ConnectionKeys {
    var section: ConfigurationSection
    let cloud: NationalCloud
    let allowPlainHTTP: Bool

    func error(_ name: String, _ detail: String) -> StartupError { section.error(name, detail) }

    mutating func text(_ name: String) throws(StartupError) -> String? { try section.text(name) }

    mutating func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws(StartupError) -> Int
    {
        try section.integer(name, in: range, default: fallback)
    }

    mutating func bool(_ name: String, default fallback: Bool) throws(StartupError) -> Bool {
        try section.bool(name, default: fallback)
    }

    mutating func duration(
        _ name: String,
        in range: ClosedRange<Duration>,
        default fallback: Duration
    ) throws(StartupError) -> Duration {
        try section.duration(name, in: range, default: fallback)
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String,
        default fallback: Value
    ) throws(StartupError) -> Value where Value.RawValue == String {
        try section.choice(name, Value.self, default: fallback)
    }

    mutating func url(_ name: String, default fallback: String) throws(StartupError) -> UpstreamURL {
        try section.url(name, default: fallback, allowPlainHTTP: allowPlainHTTP)
    }

    mutating func scope(_ name: String, default fallback: TokenScope) throws(StartupError) -> TokenScope {
        TokenScope(try section.text(name, default: fallback.rawValue))
    }

    mutating func hosts(_ name: String) throws(StartupError) -> [HostRule]? {
        try section.hosts(name, allowPlainHTTP: allowPlainHTTP)
    }
}
