import Exports
import UpstreamHTTP

/// A case operation as Graph sends it. Everything but the id may be missing or of another type than documented:
/// then it is none. `azureBlobToken`, which Graph may echo, is never read.
struct CaseOperation: Sendable, Hashable {
    var id: String
    var action: String?
    var status: String?
    var percentProgress: Int64?
    var createdDateTime: Timestamp?
    var completedDateTime: Timestamp?
    var description: String?
    var outputName: String?
    var resultInfo: ResultInfo?
    var exportFileMetadata: [ExportFileMetadata]

    /// Reads an entity, or one that is wrapped in `value` as some of Graph's are (`graph.md` C3); nil when there is none
    /// with an id.
    init?(_ json: JSONValue) {
        let json = json.member("id") == nil ? json.member("value") ?? json : json
        guard let id = json.id("id") else { return nil }
        self.id = id
        action = json.member("action")?.string
        status = json.member("status")?.string.map(UpstreamText.status)
        percentProgress = json.member("percentProgress")?.integer
        createdDateTime = Timestamp.upstream(json.member("createdDateTime")?.string)
        completedDateTime = Timestamp.upstream(json.member("completedDateTime")?.string)
        description = json.member("description")?.string
        outputName = json.member("outputName")?.string
        resultInfo = json.member("resultInfo").flatMap { ResultInfo($0) }
        exportFileMetadata = Self.files(json.member("exportFileMetadata"))
    }

    /// A collection in the metadata, a single object on one of the pages (`graph.md` B5).
    private static func files(_ json: JSONValue?) -> [ExportFileMetadata] {
        switch json {
        case .array(let elements): elements.compactMap { ExportFileMetadata($0) }
        case .object?: json.flatMap { ExportFileMetadata($0) }.map { [$0] } ?? []
        default: []
        }
    }
}

/// Success- and failure-specific information of an operation. The values of its codes are documented nowhere.
struct ResultInfo: Sendable, Hashable {
    var code: Int64?
    var subcode: Int64?
    var message: String?

    /// Reads an object; nil when nothing is in it.
    init?(_ json: JSONValue) {
        code = json.member("code")?.integer
        subcode = json.member("subcode")?.integer
        message = json.text("message")
        if code == nil, subcode == nil, message == nil { return nil }
    }
}

/// One file of a finished export.
struct ExportFileMetadata: Sendable, Hashable {
    var fileName: String?
    var size: Int64?
    /// Pre-signed or not, it is good for a while only.
    var downloadURL: Secret?

    /// Reads an object; nil when it has neither name nor link.
    init?(_ json: JSONValue) {
        fileName = json.text("fileName").map(UpstreamText.wholeFileName)
        size = json.member("size")?.integer.flatMap { $0 < 0 ? nil : $0 }
        downloadURL = json.text("downloadUrl").map { Secret($0) }
        if fileName == nil, downloadURL == nil { return nil }
    }
}

/// One page of a case's operations.
typealias OperationPage = UpstreamPage<CaseOperation>

extension UpstreamPage<CaseOperation> {
    var operations: [CaseOperation] { entries }
}

/// The answer of `getDownloadUrl`: a string in `value`.
enum DownloadURLAnswer {
    static func link(in json: JSONValue?) -> String? { (json?.member("value") ?? json)?.string }
}

/// The address of an operation, as `Location` tells it: `…/cases('…')/operations('…')`, or with slashes, the id with or
/// without dashes (`graph.md` B4). Only its id is ever used.
enum OperationLocation {
    /// The id in a `Location`; nil when there is none.
    static func id(in location: String?) -> String? {
        // Some hosts percent-encode quotes and parentheses in a header.
        let text = location?.replacing("%27", with: "'").replacing("%28", with: "(")
        guard let text, let name = text.ranges(of: #/operations/#.ignoresCase()).last else { return nil }
        let id = text[name.upperBound...].utf8
            .drop { "/('".utf8.contains($0) }
            .prefix { UUIDText.isHexDigit($0) || $0 == UInt8(ascii: "-") }
        let digits = String(decoding: id, as: UTF8.self)
        return normalized(digits).utf8.count == 32 ? digits : nil
    }

    /// The same for both ways to write one id.
    static func normalized(_ id: String) -> String { id.lowercased().filter { $0 != "-" } }
}
