import CallerIdentity
import Telemetry
import ExportEngine
import Exports
import Foundation
import GatewayAPI
import Logging
import Memory
import ParallelGzip
import SystemCrypto
import UpstreamHTTP
import Yams
import Zstandard

extension GatewayConfiguration {
    /// Reads the file at `path` and the environment. Throws `StartupError` naming the key and the line.
    public init(path: String, environment: [String: String]) throws(StartupError) {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw StartupError("--config", "the file \(path) cannot be read as UTF-8 text")
        }
        try self.init(yaml: text, environment: environment)
    }

    /// Reads a configuration text and the environment. Throws `StartupError` naming the key and the line.
    public init(yaml text: String, environment: [String: String]) throws(StartupError) {
        try self.init(yaml: text, OperatorEnvironment(variables: environment))
    }

    init(yaml text: String, _ environment: OperatorEnvironment) throws(StartupError) {
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw StartupError("configuration", "is not YAML: \(error.placeOnly)")
        } catch {
            throw StartupError("configuration", "is not YAML")
        }
        var root = try ConfigurationSection(node, path: "", environment: environment)
        // The names of the sections are checked first. Otherwise a misspelled section would be reported as a missing key.
        let (serverNode, ledgerNode, logNode) = (root.node("server"), root.node("ledger"), root.node("log"))
        let (downloadsNode, engineNode) = (root.node("downloads"), root.node("engine"))
        let (connectionsNode, sealingNode) = (root.node("connections"), root.node("sealing"))
        let (webhooksNode, egressNode) = (root.node("webhooks"), root.node("egress"))
        let retentionNode = root.node("retention")
        let (tracesNode, auditNode) = (root.node("traces"), root.node("audit"))
        try root.finish()
        let server = try Server(serverNode, environment)
        let ledger = try Ledger(ledgerNode, environment)
        let log = try LogSettings(logNode, environment)
        let downloads = try Downloads(downloadsNode, environment)
        let engine = try Engine(engineNode, environment)
        let connections = try ConnectionConfiguration.all(connectionsNode, environment)
        let sealing = try Sealing(sealingNode, environment)
        let webhooks = try Webhooks(webhooksNode, environment)
        let egress = try Egress(ofAll: egressNode, environment)
        let retention = try RetentionSettings(retentionNode, environment)
        let traces = try Traces(tracesNode, environment)
        let audit = try Audit(auditNode, environment)
        try connections.refuseKeeping(without: sealing)
        try webhooks.refuse(without: sealing)
        try retention.refuse(webhooks, sealing)
        try retention.refuse(without: audit)
        try ledger.refuse(server)
        try server.refusePermissions(besides: connections.map(\.name))
        try environment.refuseUnused()
        self.init(
            server: server,
            ledger: ledger,
            log: log,
            downloads: downloads,
            engine: engine,
            connections: connections,
            sealing: sealing,
            webhooks: webhooks,
            retention: retention,
            authorities: try environment.authorities(),
            egress: egress,
            traces: traces,
            audit: audit,
            keys: environment.keys
        )
    }
}

extension GatewayConfiguration.Server {
    init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "server", environment: environment, isOverridable: true)
        host = try section.text("host", default: host)
        port = try section.integer("port", in: 0...65_535, default: port)
        if let text = try section.text("publicURL") {
            guard let url = UpstreamURL(text), url.query == nil else {
                throw section.error("publicURL", "must be a URL such as https://exports.example.com")
            }
            publicURL = text.hasSuffix("/") ? String(text.dropLast()) : text
        }
        trustedProxies = try section.addressRanges("trustedProxies")
        maximumConnections = try section.integer("maximumConnections", in: 1...65_536, default: maximumConnections)
        idleTimeout = try section.duration("idleTimeout", in: .seconds(1) ... .seconds(3600), default: idleTimeout)
        memory = try section.integer("memory", in: MemoryBudget.smallest...(1 << 50), default: memory)
        directAnswers = try section.bool("directAnswers", default: directAnswers)
        drainDelay = try section.duration("drainDelay", in: .zero ... .seconds(600), default: drainDelay)
        drainTimeout = try section.duration("drainTimeout", in: .zero ... .seconds(86_400), default: drainTimeout)
        operations = try GatewayConfiguration.Listener(operations: section.node("operations"), environment)
        events = try EventSettings(events: section.node("events"), connections: maximumConnections, environment)
        ticketLifetime = try Self.ticketLifetime(section.node("tickets"), environment)
        hasConsole = try Self.hasConsole(section.node("console"), default: isLoopback, environment)
        cursorKey = try section.secret("cursorKey")
        apiKeys = try GatewayConfiguration.APIKeyEntry.all(&section)
        entra = try GatewayConfiguration.TokenIssuer(section.node("entra"), environment)
        weights = Dictionary(uniqueKeysWithValues: apiKeys.map { ($0.id, $0.weight) })
            .merging(entra?.weights ?? [:]) { $1 }
        (tls, clientCertificates) = try Self.tls(
            section.node("tls"),
            besides: apiKeys.map(\.id),
            weights: &weights,
            environment
        )
        let http2Node = section.node("http2")
        tls?.offersHTTP2 = try Self.isHTTP2Enabled(http2Node, environment)
        http2 = try HTTP2Settings(
            http2: http2Node,
            connections: maximumConnections,
            events: events.maximumStreams,
            isTLS: tls != nil,
            environment
        )
        limits = try CallerLimitTable(
            limits: section.node("limits"),
            known: hasCallers ? apiKeys.map(\.id) + clientCertificates.map(\.id) : [Viewer.anonymousID],
            takesTokens: entra != nil,
            environment
        )
        try section.finish()
        guard hasConsole || entra?.consoleClientID == nil else {
            throw StartupError(
                "server.entra.consoleClientId",
                "is for the console, which is not served: set server.console.enabled: true, or leave this key out"
            )
        }
        guard hasCallers || isLoopback else {
            throw StartupError(
                "server.host",
                "\(host) can be reached from other machines, but neither server.apiKeys nor server.entra nor server.tls.callers lets anybody in; make a key with `export-gateway hash-key`, or listen on 127.0.0.1"
            )
        }
    }
}

extension GatewayConfiguration.Server {
    /// Reads `server.tickets`: nil where they are switched off.
    private static func ticketLifetime(
        _ node: Node?,
        _ environment: OperatorEnvironment
    ) throws(StartupError) -> Duration? {
        var section = try ConfigurationSection(node, path: "server.tickets", environment: environment)
        let isEnabled = try section.bool("enabled", default: true)
        let lifetime = try section.duration("lifetime", in: .seconds(1) ... .seconds(900), default: .seconds(900))
        try section.finish()
        return isEnabled ? lifetime : nil
    }
}

extension GatewayConfiguration.Listener {
    /// Reads `server.operations`; nil where it is left out.
    init?(operations node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        guard node != nil else { return nil }
        var section = try ConfigurationSection(node, path: "server.operations", environment: environment)
        host = try section.text("host", default: "127.0.0.1")
        _ = try section.requiredText("port")
        port = try section.integer("port", in: 0...65_535, default: 0)
        try section.finish()
    }
}

extension LogSettings {
    fileprivate init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "log", environment: environment, isOverridable: true)
        level = try section.choice("level", Logger.Level.self, default: level)
        format = try section.choice("format", Format.self, default: format)
        bufferSize = try section.integer("bufferSize", in: (64 << 10)...(1 << 30), default: bufferSize)
        try section.finish()
    }
}

extension GatewayConfiguration.Downloads {
    fileprivate init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "downloads", environment: environment, isOverridable: true)
        gzip = try section.choice("gzip", OrNever<GzipLevel>.self, default: OrNever(gzip)).value
        zstd = try section.choice("zstd", OrNever<ZstdLevel>.self, default: OrNever(zstd)).value
        let threads = try section.integer("gzipThreads", in: 0...256, default: gzipThreads ?? 0)
        gzipThreads = threads == 0 ? nil : threads
        minimumGzipSize = try section.integer("minimumGzipSize", in: 0...(1 << 30), default: minimumGzipSize)
        let waits = Duration.milliseconds(100) ... .seconds(3600)
        firstByteTimeout = try section.duration("firstByteTimeout", in: waits, default: firstByteTimeout)
        idleTimeout = try section.duration("idleTimeout", in: waits, default: idleTimeout)
        rangeSkipLimit = try section.integer("rangeSkipLimit", in: 0...(1 << 50), default: rangeSkipLimit)
        resumeAttempts = try section.integer("resumeAttempts", in: 0...100, default: resumeAttempts)
        perCaller = try section.integer("perCaller", in: 1...65_536, default: perCaller)
        guard try section.text("memory") == nil else {
            throw section.error(
                "memory",
                "has become server.memory, which also counts requests that come or wait: write the number there"
            )
        }
        minimumRate = try section.integer("minimumRate", in: 0...(1 << 30), default: minimumRate)
        minimumRateWindow = try section.duration(
            "minimumRateWindow",
            in: .seconds(1) ... .seconds(3600),
            default: minimumRateWindow
        )
        measure = try section.choice("measure", Measure.self, default: measure)
        measureAtOnce = try section.integer("measureAtOnce", in: 1...256, default: measureAtOnce)
        measureLargest = try section.integer("measureLargest", in: 1...(1 << 50), default: measureLargest)
        measureRate = try section.integer("measureRate", in: 0...(1 << 40), default: measureRate)
        try section.finish()
    }
}

extension GatewayConfiguration.Engine {
    fileprivate init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "engine", environment: environment, isOverridable: true)
        let bounds = Duration.milliseconds(10) ... .seconds(30 * 86_400)
        maximumPollInterval = try section.duration("maximumPollInterval", in: bounds, default: maximumPollInterval)
        submissionDeadline = try section.duration("submissionDeadline", in: bounds, default: submissionDeadline)
        trackingDeadline = try section.duration("trackingDeadline", in: bounds, default: trackingDeadline)
        unknownBound = try section.duration("unknownBound", in: bounds, default: unknownBound)
        reconcileDelay = try section.duration("reconcileDelay", in: .zero ... .seconds(3600), default: reconcileDelay)
        reconcileDeadline = try section.duration("reconcileDeadline", in: bounds, default: reconcileDeadline)
        missingBound = try section.duration("missingBound", in: bounds, default: missingBound)
        snapshotLimit = try section.integer("snapshotLimit", in: 0...1_000_000, default: snapshotLimit)
        try section.finish()
    }
}

extension ConnectionConfiguration {
    fileprivate static func all(
        _ node: Node?,
        _ environment: OperatorEnvironment
    ) throws(StartupError) -> [ConnectionConfiguration] {
        guard case .sequence(let sequence)? = node, !sequence.isEmpty else {
            throw StartupError("connections", "must list at least one connection")
        }
        var connections: [ConnectionConfiguration] = []
        for (index, element) in sequence.enumerated() {
            let connection = try ConnectionConfiguration(element, path: "connections[\(index)]", environment)
            guard !connections.contains(where: { $0.name == connection.name }) else {
                throw StartupError("connections[\(index)].name", "\(connection.name) is taken")
            }
            connections.append(connection)
        }
        return connections
    }

    private init(_ node: Node, path: String, _ environment: OperatorEnvironment) throws(StartupError) {
        var section = try ConfigurationSection(node, path: path, environment: environment)
        name = try section.requiredText("name")
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0.isNameByte && !(0x41...0x5A).contains($0) })
        else { throw section.error("name", "must be 1 to 64 lower-case letters, digits, dots or dashes") }
        environment.record(name: name, of: path)
        let id = try section.requiredText("provider")
        guard let adapter = Adapter.all.first(where: { $0.descriptor.id.rawValue == id }) else {
            let names = Adapter.all.map(\.descriptor.id.rawValue)
            throw section.error(
                "provider",
                "must be one of \(names.joined(separator: ", "))" + ObjectReader.suggestion(for: id, among: names)
            )
        }
        provider = adapter.descriptor.id
        let allowPlainHTTP = try section.bool("allowPlainHTTP", default: false)
        let perMinute = try section.integer("requestsPerMinute", in: 0...1_000_000, default: -1)
        budget =
            perMinute < 0
            ? adapter.descriptor.capabilities.requestBudget
            : perMinute == 0 ? nil : RequestBudget(perMinute, per: .seconds(60))
        retriesOnCapacityText = try section.bool("retryOnCapacityText", default: false)
        let shortest = adapter.descriptor.capabilities.minimumPollInterval
        pollInterval = try section.duration("pollInterval", in: .milliseconds(10) ... .seconds(3600), default: shortest)
        ambiguousStart = try section.choice(
            "ambiguousStart",
            AmbiguousStart.self,
            default: adapter.descriptor.capabilities.resubmitIsHarmless ? .repeat : .hold
        )
        let cloud = try section.choice("cloud", NationalCloud.self, default: .public)
        credential = try CredentialConfiguration(
            section.node("credential"),
            path: path + ".credential",
            environment,
            cloud: cloud,
            allowPlainHTTP: allowPlainHTTP
        )
        egress = try Egress(section.node("egress"), path: path + ".egress", environment)
        var keys = ConnectionSection(section: section, cloud: cloud, allowPlainHTTP: allowPlainHTTP)
        self.adapter = try adapter.read(&keys)
        try keys.section.finish()
        if perMinute < 0, needsCallerToken, let userBudget = self.adapter.userBudget { budget = userBudget }
        section.record("requestsPerMinute", budget.map { "\($0.count) in \($0.per)" })
        if adapter.descriptor.capabilities.delegatedOnly, !needsCallerToken {
            throw StartupError(
                path + ".credential.type",
                "must be passThrough, or have onBehalfOf: true: \(adapter.descriptor.title) knows delegated permissions only"
            )
        }
    }
}

extension UInt8 {
    /// A letter, a digit, `-` or `.`.
    var isNameByte: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
            || self == UInt8(ascii: "-") || self == UInt8(ascii: ".")
    }
}

extension YamlError {
    /// Where the text stops being YAML, without quoting it: a misplaced secret may stand there.
    fileprivate var placeOnly: String {
        switch self {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping(_, let context): "line \(context.mark.line): a key stands twice"
        default: "it cannot be read"
        }
    }
}
