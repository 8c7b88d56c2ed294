import Exports
import NIOCore

/// Events as they are sent: the lines of an event stream
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
enum EventText {
    /// One event.
    ///
    /// - Parameters:
    ///   - position: Its `id`; without one, the client's last id stays as it is.
    ///   - data: JSON, which has no line ends.
    static func event(_ name: StaticString, at position: Int64?, _ data: some Collection<UInt8>) -> ByteBuffer {
        var text = ByteBuffer()
        text.reserveCapacity(data.count + 64)
        text.writeStaticString("event: ")
        text.writeStaticString(name)
        if let position { text.writeString("\nid: \(position)") }
        text.writeStaticString("\ndata: ")
        text.writeBytes(data)
        text.writeStaticString("\n\n")
        return text
    }

    /// A comment, so that proxies and clients know that the stream goes on. With a position, the client's last id is set to it: a
    /// block without data is no event.
    static func heartbeat(at position: Int64?) -> ByteBuffer {
        ByteBuffer(string: position.map { ": heartbeat\nid: \($0)\n\n" } ?? ": heartbeat\n\n")
    }

    /// Sets the client's last id without an event.
    static func position(_ position: Int64) -> ByteBuffer { ByteBuffer(string: "id: \(position)\n\n") }

    /// Tells the client how long to wait before it comes back.
    static func retry(_ time: Duration) -> ByteBuffer { ByteBuffer(string: "retry: \(time.milliseconds)\n\n") }

    /// The position that a `Last-Event-ID` names. Throws `invalidParameter` for a text that no event has as its `id`.
    static func position(lastEventID text: String) throws(GatewayError) -> Int64 {
        guard !text.isEmpty, text.utf8.count <= 18, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let position = Int64(text)
        else {
            throw .invalidParameter(
                "Last-Event-ID",
                "must be the id of an event of this gateway; leave it out to begin again"
            )
        }
        return position
    }
}
