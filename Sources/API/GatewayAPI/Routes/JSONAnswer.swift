import HTTPTypes
import Hummingbird
import NIOCore

/// Answers whose body is one JSON text.
enum JSONAnswer {
    /// An answer for this caller only. It must be revalidated each time, because it changes.
    ///
    /// With a validator, the caller may store it and revalidate it. Without a validator, storing it is of no use.
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

    /// An answer with its own `Cache-Control`.
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
