import Exports
import GatewayAPI
import Yams

extension HTTP2Settings {
    /// Reads `server.http2`. Without another word, as many streams may be open as connections, and more than may be streams of events: such
    /// a stream is never closed for another one.
    ///
    /// - Parameters:
    ///   - connections: `server.maximumConnections`.
    ///   - events: `server.events.maximumStreams`.
    ///   - isTLS: Whether clients choose the protocol by ALPN.
    init(
        http2 node: Node?,
        connections: Int,
        events: Int,
        isTLS: Bool,
        _ environment: OperatorEnvironment
    ) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "server.http2", environment: environment)
        let isEnabled = try section.bool("enabled", default: true)
        takesPriorKnowledge = try section.bool("priorKnowledge", default: takesPriorKnowledge)
        guard !takesPriorKnowledge || isEnabled else {
            throw section.error("priorKnowledge", "takes HTTP/2, which server.http2.enabled: false switches off")
        }
        guard !takesPriorKnowledge || !isTLS else {
            throw section.error("priorKnowledge", "is for plain HTTP; with server.tls, clients choose HTTP/2 by ALPN")
        }
        streamsPerConnection = try section.integer(
            "streamsPerConnection",
            in: 100...10_000,
            default: streamsPerConnection
        )
        maximumStreams = try section.integer("maximumStreams", in: 1...1_048_576, default: connections)
        guard maximumStreams > events else {
            throw section.error(
                "maximumStreams",
                "must be more than server.events.maximumStreams, which is \(events)"
            )
        }
        window = try section.integer("window", in: 65_535...(1 << 20), default: window)
        resets = try section.integer("resets", in: 1...10_000, default: resets)
        framesWithoutProgress = try section.integer(
            "framesWithoutProgress",
            in: 100...1_000_000,
            default: framesWithoutProgress
        )
        try section.finish()
    }
}

extension GatewayConfiguration.Server {
    /// Whether `server.http2` leaves HTTP/2 switched on. The rest of the section is read elsewhere.
    static func isHTTP2Enabled(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) -> Bool {
        var section = try ConfigurationSection(node, path: "server.http2", environment: environment)
        return try section.bool("enabled", default: true)
    }
}
