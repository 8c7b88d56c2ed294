import Exports
import HTTPTypes
import Hummingbird
import HummingbirdCore
import JSON
import NIOCore

/// Changes a right answer as the call's faults say, from the inside to the outside: members, text, body, place of the job,
/// header fields, coding.
struct ChangedAnswer {
    let call: Call

    func response(from original: Response) async throws -> Response {
        var response = original
        if call.faults[.members] != nil || call.faults[.padding] != nil || call.faults[.text] != nil {
            response.body = ResponseBody(byteBuffer: changedText(try await CollectedBody.of(response.body)))
        }
        if call.faults.has(.emptyBody) {
            response.body = ResponseBody()
            response.headers[.contentType] = nil
        }
        changeLocation(&response)
        if case .statusCode(let code) = call.faults[.statusCode] { response.status = .init(code: code) }
        if case .wrongContentType(let type) = call.faults[.mediaType] { response.headers[.contentType] = type }
        if case .headers(let set, let remove) = call.faults[.fields] {
            for (name, value) in set { HTTPField.Name(name).map { response.headers[$0] = value } }
            for name in remove { HTTPField.Name(name).map { response.headers[$0] = nil } }
        }
        if call.faults.has(.gzip) {
            response.headers[.contentEncoding] = "gzip"
            response.body = response.body.gzipped
        }
        return response
    }

    // MARK: JSON

    private func changedText(_ buffer: ByteBuffer) -> ByteBuffer {
        var text = Array(buffer.readableBytesView)
        if var members = (try? JSONValue(parsing: text))?.object {
            if case .members(let set, let remove) = call.faults[.members], call.operation.role != .start {
                members.merge(set) { $1 }
                for name in remove { members[name] = nil }
                text = Array(JSONValue.object(members).encoded())
            }
            if case .padding(let bytes, let name, let entries) = call.faults[.padding] {
                members[name] = nil
                text = Self.padded(JSONValue.object(members), bytes: bytes, member: name, entries: entries)
            }
        }
        if case .rewrite(let find, let with) = call.faults[.text] {
            text = Self.replaced(text, Array(find.utf8), with: Array(with.utf8))
        }
        return ByteBuffer(bytes: text)
    }

    /// Made as text, because to encode a value with some hundred thousand entries would take seconds.
    private static func padded(_ value: JSONValue, bytes: Int, member: String, entries: Bool) -> [UInt8] {
        let rest = value.encoded().dropFirst()
        var text = Array("{".utf8) + Array(JSONValue.string(member).encoded()) + Array(":".utf8)
        if entries {
            let entry = Array(#"{"id":"x"},"#.utf8)
            text += Array("[".utf8)
            for _ in 0..<max(1, bytes / entry.count) { text += entry }
            text[text.count - 1] = UInt8(ascii: "]")
        } else {
            text += Array("\"".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: bytes) + Array("\"".utf8)
        }
        if rest.first != UInt8(ascii: "}") { text += Array(",".utf8) }
        return text + rest
    }

    private static func replaced(_ text: [UInt8], _ find: [UInt8], with: [UInt8]) -> [UInt8] {
        var replaced: [UInt8] = []
        var index = 0
        while index < text.count {
            if text[index] == find[0], text[index...].starts(with: find) {
                replaced += with
                index += find.count
            } else {
                replaced.append(text[index])
                index += 1
            }
        }
        return replaced
    }

    // MARK: The place of the job

    private func changeLocation(_ response: inout Response) {
        guard let location = response.headers[.location] else { return }
        switch call.faults[.location] {
        case .quotedLocation where !location.hasPrefix("\""): response.headers[.location] = "\"\(location)\""
        case .location(.absent): response.headers[.location] = nil
        case .location(.operationLocation):
            response.headers[.location] = nil
            response.headers[.operationLocation] = location
        case .location(.body):
            response.headers[.location] = nil
            // The bodies of Power BI and Goals contain the id already.
            guard response.body.contentLength == 0 else { return }
            let path = location.filter { $0 != "\"" }
            let id = RequestPath(path).segments.last ?? ""
            response.headers[.contentType] = "application/json"
            response.body = ResponseBody(
                byteBuffer: ByteBuffer(bytes: (["id": .string(id), "status": "notStarted"] as JSONValue).encoded())
            )
        default: break
        }
    }
}
