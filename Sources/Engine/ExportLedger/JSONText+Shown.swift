import Exports
import JSON

// Reads the JSON columns that lists need for each export. Without Foundation, which is slow, if the text has the form that this
// version writes; otherwise with Foundation's decoder.
extension JSONText {
    static func files(_ text: String) throws -> [ExportFile] {
        if text == "[]" { return [] }
        guard let values = parsed(text)?.array else { return try read(text, "files") }
        var files: [ExportFile] = []
        files.reserveCapacity(values.count)
        for value in values {
            guard let file = ExportFile(plain: value) else { return try read(text, "files") }
            files.append(file)
        }
        return files
    }

    static func failure(_ text: String?) throws -> ExportFailure? {
        guard let text else { return nil }
        return try parsed(text).flatMap(ExportFailure.init(plain:)) ?? read(text, "error")
    }

    static func notice(_ text: String?) throws -> ExportNotice? {
        guard let text else { return nil }
        return try parsed(text).flatMap(ExportNotice.init(plain:)) ?? read(text, "notice")
    }
}

/// Reads the members of an object, each with an expected type.
private struct PlainMembers {
    private let members: [String: JSONValue]
    private var taken = 0

    /// Whether every member was read and had the expected type. A member that was not read may be from a newer version, so it is not
    /// ignored.
    var areAllTaken: Bool { taken == members.count }

    init?(_ value: JSONValue) {
        guard let members = value.object else { return nil }
        self.members = members
    }

    mutating func take<Value>(_ name: String, _ read: (JSONValue) -> Value?) -> Value? {
        guard let member = members[name] else { return nil }
        let value = read(member)
        if value != nil { taken += 1 }
        return value
    }

    mutating func text(_ name: String) -> String? { take(name, \.string) }

    mutating func choice<Value: RawRepresentable<String>>(_ name: String) -> Value? {
        take(name) { $0.string.flatMap(Value.init(rawValue:)) }
    }
}

extension ExportFile {
    /// Reads the form that this version writes; nil for any other form.
    fileprivate init?(plain value: JSONValue) {
        guard var members = PlainMembers(value), let id = members.text("id"), let name = members.text("name") else {
            return nil
        }
        self.init(
            id: id,
            name: name,
            size: members.take("size", \.integer),
            contentType: members.text("contentType"),
            sha256: members.text("sha256")
        )
        let (digest, size): (Source?, Source?) = (members.choice("digestSource"), members.choice("sizeSource"))
        let (digestKnown, sizeKnown): (State?, State?) = (members.choice("digestState"), members.choice("sizeState"))
        let check = members.take("crc32") { $0.integer.flatMap(UInt32.init(exactly:)) }
        if sha256 != nil {
            // Earlier versions stored no states. Their rows are read by Foundation's decoder.
            guard let digest, let digestKnown else { return nil }
            (digestSource, digestState, crc32) = (digest, digestKnown, check)
        }
        if self.size != nil {
            guard let size, let sizeKnown else { return nil }
            (sizeSource, sizeState) = (size, sizeKnown)
        }
        guard members.areAllTaken else { return nil }
    }
}

extension UpstreamErrorInfo {
    fileprivate init?(plain value: JSONValue) {
        guard var members = PlainMembers(value) else { return nil }
        self.init()
        // Set directly, because the texts were cleaned before they were written.
        status = members.take("status") { $0.integer.flatMap(Int.init(exactly:)) }
        code = members.text("code")
        message = members.text("message")
        requestId = members.text("requestId")
        guard members.areAllTaken else { return nil }
    }
}

extension ExportFailure {
    fileprivate init?(plain value: JSONValue) {
        guard var members = PlainMembers(value), let type = members.text("type"), let title = members.text("title"),
            let code: ProblemCode = members.choice("code"), let detail = members.text("detail")
        else { return nil }
        self.init(code, detail, upstream: members.take("upstream", UpstreamErrorInfo.init(plain:)))
        (self.type, self.title) = (type, title)
        guard members.areAllTaken else { return nil }
    }
}

extension ExportNotice {
    fileprivate init?(plain value: JSONValue) {
        guard var members = PlainMembers(value), let code: ProblemCode = members.choice("code"),
            let detail = members.text("detail")
        else { return nil }
        self.init(code, detail, upstream: members.take("upstream", UpstreamErrorInfo.init(plain:)))
        position = members.take("position") { $0.integer.flatMap(Int.init(exactly:)) }
        estimatedStart = members.take("estimatedStart") { $0.string.flatMap { Timestamp(rfc3339: $0) } }
        guard members.areAllTaken else { return nil }
    }
}
