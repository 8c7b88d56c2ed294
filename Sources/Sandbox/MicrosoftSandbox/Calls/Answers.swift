import Exports
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Response {
    /// An answer with a JSON body.
    static func json(_ status: HTTPResponse.Status, _ value: JSONValue, headers: HTTPFields = [:]) -> Response {
        var headers = headers
        if headers[.contentType] == nil { headers[.contentType] = "application/json" }
        return Response(
            status: status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.encoded()))
        )
    }

    /// An answer with a text as its body.
    static func text(_ status: HTTPResponse.Status, _ text: String, contentType: String) -> Response {
        Response(
            status: status,
            headers: [.contentType: contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    /// Where a redirect-following client ends when its token was not accepted (`Upstream-GraphEDiscovery, Download`).
    static var signInPage: Response {
        .text(
            .ok,
            "<!DOCTYPE html>\n<html><head><title>Sign in to your account</title></head>\n"
                + "<body><form method=\"post\"><input name=\"loginfmt\" type=\"email\"></form></body></html>\n",
            contentType: "text/html; charset=utf-8"
        )
    }
}

/// Base 64 with the standard alphabet (RFC 4648, 4), and with the URL one.
enum Base64Text {
    static func standard(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    static func decode(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }

    /// Without padding.
    static func url(_ bytes: [UInt8]) -> String {
        String(
            standard(bytes)
                .compactMap { character in
                    switch character {
                    case "+": "-"
                    case "/": "_"
                    case "=": nil
                    default: character
                    }
                }
        )
    }
}

/// Header fields that HTTPTypes has no name for. Each literal is a valid token, so that none of them is nil.
extension HTTPField.Name {
    static let clientRequestID = Self("client-request-id")!
    static let requestID = Self("request-id")!
    static let metadata = Self("Metadata")!
    static let identityHeader = Self("X-IDENTITY-HEADER")!
    static let plainRequestID = Self("RequestId")!
    static let allowWithAADToken = Self("X-AllowWithAADToken")!
    static let storageErrorCode = Self("x-ms-error-code")!
    static let xMSRequestID = Self("x-ms-request-id")!
    static let xFrameOptions = Self("X-Frame-Options")!
    static let homeCluster = Self("home-cluster-uri")!
    static let requestRedirected = Self("request-redirected")!
    static let prefer = Self("Prefer")!
    static let pragma = Self("Pragma")!
    static let expires = Self("Expires")!
    static let host = Self("Host")!
    static let operationLocation = Self("Operation-Location")!
}
