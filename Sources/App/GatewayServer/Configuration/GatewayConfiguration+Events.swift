import Exports
import GatewayAPI
import Yams

extension EventSettings {
    /// Reads `server.events`. Without another word, half of the connections may be streams: a stream is never closed for another
    /// connection, so that streams on all of them would keep every other request out.
    init(
        events node: Node?,
        connections: Int,
        _ environment: OperatorEnvironment
    ) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "server.events", environment: environment)
        maximumStreams = try section.integer("maximumStreams", in: 0...65_536, default: connections / 2)
        guard maximumStreams < connections else {
            throw section.error(
                "maximumStreams",
                "must be less than server.maximumConnections, which is \(connections)"
            )
        }
        streamsPerCaller = try section.integer("streamsPerCaller", in: 1...65_536, default: streamsPerCaller)
        heartbeat = try section.duration("heartbeat", in: .seconds(1) ... .seconds(300), default: heartbeat)
        pendingBytes = try section.integer("pendingBytes", in: 4_096...(16 << 20), default: pendingBytes)
        longestStream = try section.duration(
            "longestStream",
            in: .seconds(1) ... .seconds(86_400),
            default: longestStream
        )
        retry = try section.duration("retry", in: .milliseconds(100) ... .seconds(600), default: retry)
        replayLimit = try section.integer("replayLimit", in: 0...1_000_000, default: replayLimit)
        try section.finish()
    }
}
