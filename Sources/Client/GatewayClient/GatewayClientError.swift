/// Why a call or a download did not come to a good end. Cancellation of the task is `CancellationError`, as everywhere.
public enum GatewayClientError: Error, Sendable, Hashable {
    /// No answer came: the gateway cannot be reached, or the connection broke off before the answer was there.
    case unreachable(String)
    /// The gateway's certificate is not valid for its address, or TLS failed otherwise. Not tried again.
    case untrusted(String)
    /// The gateway was silent for too long.
    case silent(String)
    /// The gateway refused.
    case refused(GatewayProblem)
    /// The answer is not one of a gateway: a redirect, or not JSON.
    case unexpectedAnswer(String)
    /// A file broke off, or something on the way ended it too early, and it could not be continued.
    case fileIncomplete(String)
    /// A whole file came whose bytes are not those that were announced.
    case fileWrong(String)
    /// A file came, and nothing says whether it is whole.
    case fileUnverified(String)
    /// The file cannot be written here.
    case fileSystem(String)

    /// Whether the same call may succeed a little later.
    public var isTransient: Bool {
        switch self {
        case .unreachable, .silent: true
        case .refused(let problem): problem.isTransient
        case .untrusted, .unexpectedAnswer, .fileIncomplete, .fileWrong, .fileUnverified, .fileSystem: false
        }
    }
}

extension GatewayClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreachable(let detail), .untrusted(let detail), .silent(let detail), .unexpectedAnswer(let detail),
            .fileIncomplete(let detail), .fileWrong(let detail), .fileUnverified(let detail), .fileSystem(let detail):
            detail
        case .refused(let problem): "\(problem)"
        }
    }
}
