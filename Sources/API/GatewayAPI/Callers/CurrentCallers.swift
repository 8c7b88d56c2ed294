import CallerIdentity
import CoreMetrics
import Exports
import Logging
import Synchronization

/// The callers of the configuration that is in force at the moment.
final class CurrentCallers: Sendable {
    private let value: Mutex<CallersInForce>
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: any MetricsFactory

    /// Begins with the callers of `settings`.
    ///
    /// - Parameter replicas: How many replicas serve the same callers, this one included. Called on any thread.
    init(
        _ settings: APISettings,
        time: any TimeSource,
        replicas: @escaping @Sendable () -> Int,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        (self.time, self.logger, self.metrics) = (time, logger, metrics)
        let authentication = Authentication(settings, time: time, logger: logger, metrics: metrics)
        let limiter = CallerLimiter(settings.limits, time: time, replicas: replicas, metrics: metrics)
        value = Mutex(CallersInForce(settings, authentication, limiter))
    }

    /// Those of the moment.
    var current: CallersInForce { value.withLock { $0 } }

    /// Puts the callers of `settings` in force, all at once. What callers have used of their limits stays used. Call it for one
    /// configuration after the other.
    func replace(by settings: APISettings) {
        let former = current
        let authentication = Authentication(
            settings,
            inPlaceOf: former.authentication,
            time: time,
            logger: logger,
            metrics: metrics
        )
        let new = CallersInForce(settings, authentication, former.limiter.with(settings.limits))
        value.withLock { $0 = new }
    }
}

extension Authentication {
    fileprivate convenience init(
        _ settings: APISettings,
        inPlaceOf former: Authentication? = nil,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.init(
            keys: settings.apiKeys,
            tokenAuthority: settings.tokenAuthority,
            certificates: settings.clientCertificates,
            inPlaceOf: former,
            time: time,
            logger: logger,
            metrics: metrics
        )
    }
}
