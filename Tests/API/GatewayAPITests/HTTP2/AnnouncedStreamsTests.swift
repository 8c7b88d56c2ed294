import NIOCore
import Testing

@testable import GatewayAPI

/// The number of streams that the gateway's settings name.
@Suite struct AnnouncedStreamsTests {
    private func frame(_ settings: [(UInt16, UInt32)]) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: [0, 0, UInt8(6 * settings.count), 4, 0, 0, 0, 0, 0])
        for (name, value) in settings {
            bytes.writeInteger(name)
            bytes.writeInteger(value)
        }
        return bytes
    }

    @Test func onlyTheNumberOfStreamsChanges() {
        var bytes = frame([(6, 3), (3, UInt32(AnnouncedStreams.unbounded)), (4, 65_535)])
        AnnouncedStreams(most: 100).announce(in: &bytes)
        #expect(bytes == frame([(6, 3), (3, 100), (4, 65_535)]))
    }

    @Test func settingsWithoutItStay() {
        var bytes = frame([])
        AnnouncedStreams(most: 100).announce(in: &bytes)
        #expect(bytes == frame([]))
    }
}
