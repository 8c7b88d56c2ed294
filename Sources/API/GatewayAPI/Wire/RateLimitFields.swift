import Exports
import HTTPTypes
import NIOCore

/// The header fields that tell a client about a limit, `RateLimit-Policy` and `RateLimit`: lists of structured fields, with one item
/// for each limit. See https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10.
struct RateLimitFields: Sendable, Hashable {
    /// The item of `RateLimit-Policy`.
    let policy: String
    let name: Quota.Name
    /// What is left of the limit.
    let left: Int
    /// After how many seconds it is whole again, or there is something left again.
    let seconds: Int64

    /// Describes a limit whose policy was written before.
    init(_ name: Quota.Name, policy: String, left: Int, seconds: Int64) {
        (self.name, self.policy, self.left, self.seconds) = (name, policy, left, seconds)
    }

    /// Describes a limit that was met.
    init(met quota: Quota, seconds: Int64) {
        self.init(quota.name, policy: Self.policy(of: quota), left: 0, seconds: seconds)
    }

    /// The item of `RateLimit-Policy` for a limit.
    static func policy(of quota: Quota) -> String {
        let window = quota.window.map { ";w=\($0.wholeSecondsRoundedUp)" } ?? ""
        return "\"\(quota.name.rawValue)\";q=\(quota.limit);qu=\"\(quota.name.unit)\"\(window)"
    }

    /// The item of `RateLimit`.
    var state: String { "\"\(name.rawValue)\";r=\(left);t=\(seconds)" }

    /// Adds the limit to those that the fields already tell.
    func add(to headers: inout HTTPFields) {
        headers[.rateLimitPolicy] = headers[.rateLimitPolicy].map { "\($0), \(policy)" } ?? policy
        headers[.rateLimit] = headers[.rateLimit].map { "\($0), \(state)" } ?? state
    }

    /// Writes the fields into a head that has none of them. In pieces: an answer on the event loop is to cost little more with them.
    func write(to bytes: inout ByteBuffer) {
        bytes.writeStaticString("RateLimit-Policy: ")
        bytes.writeString(policy)
        bytes.writeStaticString("\r\nRateLimit: \"")
        bytes.writeString(name.rawValue)
        bytes.writeStaticString("\";r=")
        bytes.writeString(String(left))
        bytes.writeStaticString(";t=")
        bytes.writeString(String(seconds))
        bytes.writeStaticString("\r\n")
    }
}

extension HTTPField.Name {
    static let rateLimit = HTTPField.Name("RateLimit")!
    static let rateLimitPolicy = HTTPField.Name("RateLimit-Policy")!
}
