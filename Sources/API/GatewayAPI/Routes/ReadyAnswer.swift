import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import NIOCore

/// The answer about one state of an export, encoded once for all requests.
final class ReadyAnswer: Sendable {
    /// The kind of document.
    enum Document: Sendable, Hashable {
        /// `GET /exports/{id}`: its links begin at an absolute address, or at the path of this very route.
        case export(base: String?)
        /// `GET /exports/{id}/operation`, which has no links.
        case operation
    }

    let document: Document
    /// The value of `ETag`.
    let tagField: String
    private let tag: EntityTag
    let body: ByteBuffer
    /// The heads of a 200 and of a 304 as they are sent: the first line and the fields.
    let (head, headOfUnchanged): ([UInt8], [UInt8])
    private let retryAfter: Int64?
    /// The place of the value of `observedAt` in the body; nil where there is none.
    private let observedAt: Range<Int>?

    /// Encodes an export.
    ///
    /// - Parameters:
    ///   - retryAfter: Whole seconds until another poll makes sense; nil for an export that has ended.
    ///   - earlier: The answer about the state before this one, where only `observedAt` differs.
    init(to document: Document, about export: Export, retryAfter: Int64?, after earlier: ReadyAnswer? = nil) {
        self.document = document
        self.retryAfter = retryAfter
        tag = EntityTag(of: export)
        tagField = tag.field
        if let patched = earlier?.patched(to: export.observedAt) {
            (body, observedAt) = (patched, earlier?.observedAt)
        } else {
            let bytes: [UInt8]
            switch document {
            case .export(let base):
                let links = Links(base: base, path: ["exports", Substring(export.id.description)])
                (bytes, observedAt) = ExportDocument(links: links).located(export)
            case .operation: (bytes, observedAt) = (OperationDocument.bytes(of: export), nil)
            }
            body = ByteBuffer(bytes: bytes)
        }
        let fields = Self.fields(body, tagField, retryAfter)
        head = Self.head("200 OK", fields)
        headOfUnchanged = Self.head("304 Not Modified", Self.ofUnchanged(fields))
    }

    /// Whether an `If-None-Match` field names this state.
    func isNamed(by field: String) -> Bool {
        // The usual case: exactly the text that this gateway sends.
        field == tagField || tag.isNamed(by: field)
    }

    /// The fields of a 200, including its length. Made each time, because there are thousands of answers in memory.
    var fields: HTTPFields { Self.fields(body, tagField, retryAfter) }

    /// The fields of a 304.
    var fieldsOfUnchanged: HTTPFields { Self.ofUnchanged(fields) }

    private static func fields(_ body: ByteBuffer, _ tagField: String, _ retryAfter: Int64?) -> HTTPFields {
        var fields = JSONAnswer.perCaller(body, entityTag: tagField).headers
        if let retryAfter { fields[.retryAfter] = String(retryAfter) }
        return fields
    }

    private static func ofUnchanged(_ fields: HTTPFields) -> HTTPFields {
        var fields = fields
        fields[.contentType] = nil
        fields[.contentLength] = nil
        return fields
    }

    private static func head(_ status: StaticString, _ fields: HTTPFields) -> [UInt8] {
        var text = "HTTP/1.1 \(status)\r\n"
        for field in fields { text += "\(field.name.rawName): \(field.value)\r\n" }
        return Array(text.utf8)
    }

    /// The body with another `observedAt`; nil where it cannot be made from this one.
    private func patched(to time: Timestamp?) -> ByteBuffer? {
        if document == .operation { return body }
        guard let observedAt, let text = time?.description, text.utf8.count == observedAt.count else { return nil }
        var copy = body
        copy.setString(text, at: copy.readerIndex + observedAt.lowerBound)
        return copy
    }
}

/// Makes the answers about exports, and finds those that were made before.
struct ReadyAnswers: Sendable {
    let service: any ExportService

    /// The answer about an export that is in memory; nil where it is not, and where `viewer` may not see it.
    func inMemory(_ id: ExportID, for viewer: Viewer, as document: ReadyAnswer.Document) -> (ReadyAnswer, Export)? {
        service.snapshot(of: id, for: viewer).map { (answer($0, as: document), $0.export) }
    }

    /// The answer about an export without a snapshot.
    func answer(_ export: Export, as document: ReadyAnswer.Document) -> ReadyAnswer {
        ReadyAnswer(to: document, about: export, retryAfter: retryAfter(export))
    }

    /// The answer about a snapshot.
    func answer(_ snapshot: ExportSnapshot, as document: ReadyAnswer.Document) -> ReadyAnswer {
        snapshot.form { (answer: ReadyAnswer) in
            answer.document == document
        } make: { earlier in
            let export = snapshot.export
            return ReadyAnswer(to: document, about: export, retryAfter: retryAfter(export), after: earlier)
        }
    }

    /// Whole seconds until another poll makes sense, as long as the export goes on: nothing new comes faster than the upstream is
    /// polled.
    func retryAfter(_ export: Export) -> Int64? {
        guard !export.isFinal else { return nil }
        let descriptor = service.providers.first { $0.descriptor.id == export.provider }?.descriptor
        return max(1, descriptor?.capabilities.minimumPollInterval.wholeSecondsRoundedUp ?? 5)
    }
}
