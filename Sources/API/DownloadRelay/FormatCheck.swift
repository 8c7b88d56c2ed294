import Exports

/// Checks the beginning of a file against its format, while the bytes come.
struct FormatCheck: Sendable {
    private let format: FileFormat
    /// Whether the upstream's media type is JSON.
    private let isCalledJSON: Bool
    private var beginning: [UInt8] = []
    /// Whether enough bytes were checked.
    private(set) var isSettled = false

    /// No format needs more bytes.
    static let longestBeginning = 1024 + 5

    /// - Parameter mediaType: The `Content-Type` of the answer.
    init(_ format: FileFormat, mediaType: String?) {
        self.format = format
        let type = mediaType.map(CompressibleTypes.essence(of:)) ?? ""
        isCalledJSON = type == "application/json" || type.hasSuffix("+json")
    }

    /// Checks the next bytes. Returns the fault, if any.
    mutating func add(_ bytes: some Collection<UInt8>) -> String? {
        guard !isSettled else { return nil }
        beginning += bytes.prefix(Self.longestBeginning - beginning.count)
        return judge(isWhole: false)
    }

    /// There are no more bytes. Returns the fault, if any.
    mutating func finish() -> String? { isSettled ? nil : judge(isWhole: true) }

    private mutating func judge(isWhole: Bool) -> String? {
        let isEnough = isWhole || beginning.count == Self.longestBeginning
        let substitute = Substitute(beginning, isWhole: isEnough, isCalledJSON: isCalledJSON)
        switch format.judge(beginning, isWhole: isEnough, substitute) {
        case .undecided:
            return nil
        case .fits:
            isSettled = true
            beginning = []
            return nil
        case .refuted:
            return "The upstream sent \(substitute.words), where the file has to be \(format.rawValue) by its name."
        }
    }
}

/// What an upstream may send instead of a file, with status 200: an error, or a page.
enum Substitute: Sendable, Hashable {
    /// `{"error":…}` and similar objects.
    case errorObject
    case json
    case webPage
    /// `<Error><Code>…`, as storage services say it.
    case errorDocument
    /// Another document with an XML declaration.
    case xmlDocument
    /// Something else, which only a signature distinguishes from the file.
    case other
    /// It may become one of the above with more bytes.
    case undecided

    /// For a sentence.
    var words: String {
        switch self {
        case .errorObject: "an error object in JSON"
        case .json: "JSON"
        case .webPage: "a web page"
        case .errorDocument: "an error document in XML"
        case .xmlDocument: "an XML document"
        case .other, .undecided: "something that does not begin like one"
        }
    }

    /// Reads the beginning of a text, or of anything else. `isWhole` says that no more is checked.
    init(_ bytes: [UInt8], isWhole: Bool, isCalledJSON: Bool) {
        let text = TextBeginning(bytes).lowercased
        switch text.first {
        case nil: self = isWhole ? .other : .undecided
        case "{": self = Self.object(text, isWhole: isWhole, isCalledJSON: isCalledJSON)
        case "[" where isCalledJSON: self = .json
        case "<": self = Self.markup(text, isWhole: isWhole)
        default: self = .other
        }
    }

    /// The members that error objects begin with.
    private static let errorMembers: Set = [
        "error", "errors", "code", "message", "odata.error", "fault", "innererror", "statuscode", "status", "type",
        "title", "detail", "exceptiontype", "exceptionmessage", "errorcode", "error_description", "requestid",
        "activityid", "traceid",
    ]

    private static func object(_ text: String, isWhole: Bool, isCalledJSON: Bool) -> Substitute {
        let rest = text.dropFirst().drop(while: \.isWhitespace)
        if isCalledJSON { return rest.hasPrefix("\"error\"") ? .errorObject : .json }
        guard rest.first == "\"" else { return rest.isEmpty && !isWhole ? .undecided : .other }
        let name = rest.dropFirst()
        guard let end = name.firstIndex(of: "\"") else { return isWhole ? .other : .undecided }
        let after = name[name.index(after: end)...].drop(while: \.isWhitespace)
        guard errorMembers.contains(String(name[..<end])) else { return .other }
        guard let colon = after.first else { return isWhole ? .other : .undecided }
        return colon == ":" ? .errorObject : .other
    }

    private static func markup(_ text: String, isWhole: Bool) -> Substitute {
        var rest = Substring(text)
        // Skips declarations, comments and white space before the root element.
        while true {
            rest = rest.drop(while: \.isWhitespace)
            if rest.hasPrefix("<!doctype html") { return .webPage }
            let skipped = ["<?": "?>", "<!--": "-->"].first { rest.hasPrefix($0.key) }
            guard let skipped else { break }
            guard let end = rest.range(of: skipped.value) else { return isWhole ? .other : .undecided }
            rest = rest[end.upperBound...]
        }
        for root in ["<html", "<head", "<body"] where rest.isElement(root) { return .webPage }
        if rest.isElement("<error") {
            if rest.contains("<code>") || rest.contains("<message>") { return .errorDocument }
            return isWhole ? .other : .undecided
        }
        let known = ["<!doctype html", "<html", "<head", "<body", "<error", "<?", "<!--"]
        if !isWhole, known.contains(where: { $0.hasPrefix(rest) }) { return .undecided }
        return text.hasPrefix("<?xml") ? .xmlDocument : .other
    }
}

extension Substring {
    /// Whether an element of this name begins here.
    fileprivate func isElement(_ name: String) -> Bool {
        guard hasPrefix(name), let next = dropFirst(name.count).first else { return false }
        return next == ">" || next == "/" || next.isWhitespace
    }

    /// The place of a text.
    fileprivate func range(of text: String) -> Range<Index>? { ranges(of: text).first }
}

/// The beginning of a text in any encoding, as far as needed to distinguish markup and JSON.
struct TextBeginning {
    /// Without byte order mark and blanks before the first character, in lower case.
    let lowercased: String
    /// Whether nothing but blanks came.
    var isBlank: Bool { lowercased.isEmpty }

    init(_ bytes: [UInt8]) {
        var plain = bytes[...]
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let isPartOfMark = mark.count > bytes.count && mark.starts(with: bytes) || bytes == [0xFF] || bytes == [0xFE]
        if isPartOfMark {
            plain = []
        } else if plain.starts(with: mark) {
            plain = plain.dropFirst(3)
        } else if plain.starts(with: [0xFF, 0xFE]) || plain.starts(with: [0xFE, 0xFF]) {
            // UTF-16: of ASCII characters, every other byte is zero.
            plain = plain.dropFirst(2).filter { $0 != 0 }[...]
        }
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        lowercased = String(decoding: plain.drop { blanks.contains($0) }, as: UTF8.self).lowercased()
    }
}
