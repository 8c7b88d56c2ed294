import Exports
import JSON
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
    /// What a search's operation has in place of `outputName`.
    var displayName: String?
    var createdBy: JSONValue?
    var resultInfo: ResultInfo?
    var exportFileMetadata: [ExportFileMetadata]

    /// Reads an entity, or one that is wrapped in `value` as some of Graph's are (`Upstream-VivaGoals, Job`); nil when there is
    /// none with an id.
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
        displayName = json.member("displayName")?.string
        createdBy = json.member("createdBy")
        resultInfo = json.member("resultInfo").flatMap { ResultInfo($0) }
        exportFileMetadata = Self.files(json.member("exportFileMetadata"))
    }

    /// What the operation is called, where that is told.
    var name: String? { [outputName, displayName].lazy.compactMap { $0 }.first { !$0.isEmpty } }

    /// A collection in the metadata, a single object on one of the pages (`Upstream-GraphEDiscovery, Files`).
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
/// without dashes (`Upstream-GraphEDiscovery, Start`). Only its id is ever used.
enum OperationLocation {
    /// The id in the answer to a start, wherever it stands; nil when it stands nowhere.
    static func id(in response: UpstreamResponse) -> String? {
        if let id = response.headers.jobAddresses.compactMap({ id(in: $0) }).first { return id }
        guard let json = response.json else { return nil }
        let told = CaseOperation(json)?.id ?? json["operationId"]?.string
        return told.flatMap { isID($0) ? $0 : nil }
            ?? id(in: json["@odata.id"]?.string ?? json["resourceLocation"]?.string)
    }

    /// Whether a text is the id of an operation.
    static func isID(_ text: String) -> Bool {
        text.utf8.allSatisfy { UUIDText.isHexDigit($0) || $0 == UInt8(ascii: "-") } && normalized(text).utf8.count == 32
    }

    /// The ways in which one id may have been stored, its own first.
    static func spellings(of id: String) -> [String] {
        let digits = Array(normalized(id))
        guard digits.count == 32 else { return [id] }
        let bounds = [0, 8, 12, 16, 20, 32]
        let dashed = zip(bounds, bounds.dropFirst()).map { String(digits[$0..<$1]) }.joined(separator: "-")
        let others = [String(digits), dashed, String(digits).uppercased(), dashed.uppercased()]
        return [id] + others.filter { $0 != id }
    }

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
