import CallerIdentity
import Exports

/// Who may call and how much, as one configuration says it. It never changes: another configuration has another one.
///
/// A request takes the one of the moment once, at its beginning, and keeps it to its end: so it sees one configuration, whatever is
/// reloaded meanwhile.
final class CallersInForce: Sendable {
    let authentication: Authentication
    let limiter: CallerLimiter
    /// Nil where the gateway answers for any host.
    let localHosts: LocalHosts?
    /// Nil where there is no console. It is here because it says how callers sign in.
    let console: Console?

    init(_ settings: APISettings, _ authentication: Authentication, _ limiter: CallerLimiter) {
        self.authentication = authentication
        self.limiter = limiter
        localHosts = settings.hosts.map { LocalHosts(names: $0) }
        console = settings.console.map { Console($0, api: settings) }
    }

    /// The caller as the engine knows it when it creates an export.
    func creator(
        _ caller: Caller,
        token: Secret?,
        requestID: String? = nil,
        address: String? = nil
    ) -> Viewer {
        var viewer = caller.viewer(token: token, downloadToken: nil, requestID: requestID, address: address)
        viewer.createsPerDay = limiter.createsPerDay(of: caller.id)
        return viewer
    }
}
