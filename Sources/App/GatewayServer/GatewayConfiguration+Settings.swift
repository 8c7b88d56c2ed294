import CallerIdentity
import DownloadRelay
import ExportEngine
import Exports
import GatewayAPI
import SystemCrypto
import UpstreamHTTP

// What a configuration says to each part of the gateway.

extension GatewayConfiguration {
    var engineSettings: EngineSettings {
        var settings = EngineSettings()
        settings.maximumPollInterval = engine.maximumPollInterval
        settings.submissionDeadline = engine.submissionDeadline
        settings.trackingDeadline = engine.trackingDeadline
        settings.unknownBound = engine.unknownBound
        settings.reconcileDelay = engine.reconcileDelay
        settings.reconcileDeadline = engine.reconcileDeadline
        settings.missingBound = engine.missingBound
        settings.snapshotLimit = engine.snapshotLimit
        if case .postgresql(_, let shared) = ledger { settings.leaseDuration = shared.leaseDuration }
        settings.callerWeights = server.weights
        settings.retention = retention
        return settings
    }
}

extension GatewayConfiguration.Downloads {
    var settings: RelaySettings {
        var settings = RelaySettings()
        settings.gzip = gzip
        settings.zstd = zstd
        settings.gzipThreads = gzipThreads ?? Processors.available
        settings.minimumGzipSize = minimumGzipSize
        settings.firstByteTimeout = firstByteTimeout
        settings.rangeSkipLimit = Int64(rangeSkipLimit)
        settings.resumeAttempts = resumeAttempts
        settings.perCaller = perCaller
        return settings
    }
}

extension GatewayConfiguration.Downloads {
    /// Nil where nothing is measured.
    var measurementSettings: MeasurementSettings? {
        let files: MeasurementSettings.Files
        switch measure {
        case .unknownLength: files = .unknownLength
        case .always: files = .unknownLengthOrDigest
        case .never: return nil
        }
        return MeasurementSettings(
            files: files,
            atOnce: measureAtOnce,
            largest: Int64(measureLargest),
            rate: measureRate
        )
    }
}

extension GatewayConfiguration {
    /// The settings for the HTTP API.
    ///
    /// - Parameter documents: What fetches the documents of the authority of callers' tokens.
    func apiSettings(_ documents: (UpstreamURL) -> any AuthorityDocuments) -> APISettings {
        var settings = server.settings
        settings.tokenAuthority = server.entra.map { issuer in
            issuer.tokenAuthority(documents(issuer.authority))
        }
        settings.minimumRate = downloads.minimumRate
        settings.minimumRateWindow = downloads.minimumRateWindow
        return settings
    }
}

extension GatewayConfiguration.Server {
    var settings: APISettings {
        var settings = APISettings(
            host: host,
            port: port,
            apiKeys: apiKeys.flatMap { entry in
                entry.sha256.map { APIKey(id: entry.id, sha256: $0, permissions: entry.permissions) }
            },
            cursorKey: SecretBytes(cursorKey.map { SHA256.hash(Array($0.reveal().utf8)) } ?? randomBytes(32)),
            publicURL: publicURL
        )
        settings.operations = operations.map { .init(host: $0.host, port: $0.port) }
        settings.maxConnections = maximumConnections
        settings.trustedProxies = trustedProxies
        if !hasCallers { settings.hosts = Set([host, publicURL.flatMap { UpstreamURL($0)?.host }].compactMap { $0 }) }
        settings.idleTimeout = idleTimeout
        settings.http2 = http2
        settings.directAnswers = directAnswers
        settings.clientCertificates = clientCertificates
        settings.events = events
        settings.limits = limits
        settings.ticketLifetime = ticketLifetime
        settings.console = consoleSettings
        return settings
    }
}
