import Exports
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// A refusal that repeats the secrets of the request, as careless services and proxies do: in the error's message, in the
/// header field with the request's id, and in the challenge.
struct EchoAnswer {
    let call: Call
    var status: Int
    var writing: SandboxWriting

    var response: Response {
        let secrets = secrets
        var headers: HTTPFields = [.contentType: "application/json"]
        if let first = secrets.first {
            // A header field may contain everything except line ends.
            let value = writing.text(first).filter { !$0.isNewline }
            for name in [HTTPField.Name.requestID, .xMSRequestID, .plainRequestID] { headers[name] = value }
            headers[.wwwAuthenticate] = "Bearer error_description=\"\(value)\""
        }
        let words = secrets.map { "'\(writing.jsonText($0))'" }.joined(separator: " ")
        return Response(
            status: .init(code: status),
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: call.service.errorBody(words)))
        )
    }

    /// The secrets of the request, the shortest first.
    private var secrets: [String] {
        let form = QueryText(String(decoding: call.body.readableBytesView, as: UTF8.self))
        let parameters = ["client_secret", "refresh_token", "client_assertion", "assertion"].compactMap { form[$0] }
        let fields = [call.headers[.identityHeader], call.bearer].compactMap { $0 }
        let signature = call.query["sig"].map { [$0, call.rawQuery] } ?? []
        let json = call.json.map { [String(decoding: $0.encoded(), as: UTF8.self)] } ?? []
        let tokens = call.service.secretMembers.compactMap { call.json?[$0]?.string }
        return parameters + fields + tokens + signature + json
    }
}

/// How `SandboxFault.echo` writes what it repeats.
public enum SandboxWriting: String, Sendable, Hashable, CaseIterable {
    case plain
    /// As in a URL, down to the last dot.
    case percentEncoded
    /// As in JSON, every character by its number.
    case escaped

    /// The text where nothing needs to be escaped.
    func text(_ value: String) -> String {
        switch self {
        case .plain: value
        case .percentEncoded: value.utf8.map { "%" + Self.digits(UInt16($0), 2) }.joined()
        case .escaped: value.utf16.map { "\\u" + Self.digits($0, 4) }.joined()
        }
    }

    /// The text as a part of a JSON string.
    func jsonText(_ value: String) -> String {
        guard self == .plain else { return text(value) }
        return String(String(decoding: JSONValue.string(value).encoded(), as: UTF8.self).dropFirst().dropLast())
    }

    private static func digits(_ number: UInt16, _ count: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: count - digits.utf8.count) + digits
    }
}
