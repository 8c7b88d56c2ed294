import NIOCore
import NIOEmbedded
import Testing

@testable import GatewayAPI

/// The places of streams: on one connection, and on all together.
@Suite struct StreamPlacesTests {
    private func settings(connection: Int, all: Int) -> HTTP2Settings {
        var settings = HTTP2Settings()
        (settings.streamsPerConnection, settings.maximumStreams) = (connection, all)
        return settings
    }

    @Test func aConnectionHasItsOwnLimit() {
        let table = ConnectionTable(limit: 10) {}
        let (one, other) = (EmbeddedChannel(), EmbeddedChannel())
        let settings = settings(connection: 2, all: 10)
        var places = (0..<2).map { _ in table.place(for: EmbeddedChannel(), on: one, settings) }
        #expect(places.allSatisfy { $0 != nil })
        #expect(table.place(for: EmbeddedChannel(), on: one, settings) == nil)
        #expect(table.place(for: EmbeddedChannel(), on: other, settings) != nil)
        // A place is given back with its last reference.
        places.removeLast()
        places.append(table.place(for: EmbeddedChannel(), on: one, settings))
        #expect(places.allSatisfy { $0 != nil })
        #expect(table.place(for: EmbeddedChannel(), on: one, settings) == nil)
    }

    @Test func allConnectionsTogetherHaveALimit() {
        let table = ConnectionTable(limit: 10) {}
        let settings = settings(connection: 2, all: 3)
        let connections = (0..<4).map { _ in EmbeddedChannel() }
        let places = connections.map { table.place(for: EmbeddedChannel(), on: $0, settings) }
        #expect(places.map { $0 != nil } == [true, true, true, false])
        withExtendedLifetime(places) {}
    }
}
