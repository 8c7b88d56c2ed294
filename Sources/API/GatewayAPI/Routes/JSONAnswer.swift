import HTTPTypes
import Hummingbird
import NIOCore

/// Answers that are one JSON text.
enum JSONAnswer {
    /// An answer for this caller alone, to be asked for again each time: it changes, and belongs to whoever has the key.
    ///
    /// With a validator the caller may keep it and ask whether it still holds; without one keeping it is of no use.
    static func perCaller(
        _ bytes: [UInt8],
        status: HTTPResponse.Status = .ok,
        entityTag: String? = nil
    ) -> Response {
        perCaller(ByteBuffer(bytes: bytes), status: status, entityTag: entityTag)
    }

    /// As above.
    static func perCaller(
        _ body: ByteBuffer,
        status: HTTPResponse.Status = .ok,
        entityTag: String? = nil
    ) -> Response {
        var response = plain(body, status: status, cacheControl: entityTag == nil ? "no-store" : "private, no-cache")
        response.headers[.vary] = "Authorization"
        response.headers[.eTag] = entityTag
        return response
    }

    /// An answer that says how it may be kept.
    static func plain(_ bytes: [UInt8], status: HTTPResponse.Status = .ok, cacheControl: String) -> Response {
        plain(ByteBuffer(bytes: bytes), status: status, cacheControl: cacheControl)
    }

    private static func plain(_ body: ByteBuffer, status: HTTPResponse.Status, cacheControl: String) -> Response {
        Response(
            status: status,
            headers: [.contentType: MediaType.json.rawValue, .cacheControl: cacheControl],
            body: .init(byteBuffer: body)
        )
    }
}
