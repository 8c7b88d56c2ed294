public import Exports

/// The keys of one connection, as its provider reads them. Every mistake throws a `StartupError` that names the key.
///
/// Plain HTTP is refused where the connection does not allow it: a provider cannot.
public protocol ConnectionKeys {
    /// The cloud that defaults are for.
    var cloud: NationalCloud { get }

    /// A mistake in the value of a key.
    func error(_ name: String, _ detail: String) -> StartupError

    /// A text that is not empty; nil where the key is left out.
    mutating func text(_ name: String) throws(StartupError) -> String?

    /// A whole number of `range`.
    mutating func integer(_ name: String, in range: ClosedRange<Int>, default: Int) throws(StartupError) -> Int

    /// `true` or `false`.
    mutating func bool(_ name: String, default: Bool) throws(StartupError) -> Bool

    /// A duration of `range`, as `500ms` or `48h`.
    mutating func duration(_ name: String, in range: ClosedRange<Duration>, default: Duration) throws(StartupError)
        -> Duration

    /// One of the type's raw values.
    mutating func choice<Value: RawRepresentable & CaseIterable>(_ name: String, default: Value) throws(StartupError)
        -> Value where Value.RawValue == String

    /// A root such as `https://graph.microsoft.com`, without a query.
    mutating func url(_ name: String, default: String) throws(StartupError) -> UpstreamURL

    /// The scope of a token.
    mutating func scope(_ name: String, default: TokenScope) throws(StartupError) -> TokenScope

    /// A list of hosts, which may be empty; nil where the key is left out.
    mutating func hosts(_ name: String) throws(StartupError) -> [HostRule]?
}
