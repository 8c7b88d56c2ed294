import Exports
import JSON

/// Reads what an answer says about a failure, in any known form: one reader for all upstreams, their storage, authorities and
/// proxies.
///
/// JSON in every shape that was seen (`error` as an object with `code`, `message`, `innerError` and `details`, or as a text
/// with `error_description`; `pbi.error`; `odata.error`; `errors`; `message`, `Message`, `title` and `detail` without an
/// `error`; a message that is itself JSON), storage XML and other XML, the title of a web page, plain text. Names are told
/// apart without regard to case.
///
/// The texts are as they came: `UpstreamErrorInfo` cleans and cuts them.
public struct UpstreamErrorBody: Sendable, Hashable {
    /// The most specific code: the innermost that is a name, and neither a bare status nor the word "unknown".
    public var code: String? { codes.last ?? vague ?? others.first }
    /// The upstream's words, the parts joined by `; `.
    public var message: String? { texts.isEmpty ? nil : texts.joined(separator: "; ") }
    /// The object that prevents the request, as Graph names it in `target`.
    public private(set) var target: String?
    /// The id of the call, where the body has it.
    public private(set) var requestID: String?

    /// The names of the levels, the outermost first.
    private var codes: [String] = []
    /// A name that says little. Used where there is no other.
    private var vague: String?
    /// The codes of details, and those in header fields.
    private var others: [String] = []
    private var texts: [String] = []

    /// The most levels that are read, and the most details.
    private static let most = 16

    /// Reads an answer, or its header fields where it has no body.
    public init(_ response: UpstreamResponse) {
        if let json = response.json {
            read(json, depth: 0)
        } else if !response.body.isEmpty {
            let beginning = Array(response.body.prefix(AnswerLimit.error))
            readText(String(upstream: beginning, contentType: response.headers["content-type"]))
        }
        // Older services of Power BI send the body in a header field.
        if codes.isEmpty, texts.isEmpty, let details = response.headers["x-powerbi-error-details"] {
            if let json = try? JSONParser.parse(details, .lenient) { read(json, depth: 0) }
        }
        others += ["x-ms-error-code", "x-powerbi-error-info"].compactMap { response.headers[$0].flatMap(Self.name) }
    }

    /// Whether this code stands anywhere in the answer, whatever its case.
    public func has(_ code: String) -> Bool {
        (codes + others).contains { $0.lowercased() == code.lowercased() }
    }

    // MARK: JSON

    private mutating func read(_ json: JSONValue, depth: Int) {
        guard depth < Self.most else { return }
        switch json {
        case .string(let text): add(text)
        case .array(let elements): for element in elements.prefix(Self.most) { read(element, depth: depth + 1) }
        case .object:
            let error = json.member("error") ?? json.member("odata.error") ?? json.member("fault")
            switch error {
            case .object?: if let error { readLevels(error) }
            case .string(let text)?: if let code = Self.name(text) { add(code: code) } else { add(text) }
            case .array?: if let error { read(error, depth: depth + 1) }
            default: break
            }
            readLevel(json)
            readFieldErrors(json.member("errors"))
        default: break
        }
    }

    /// An error and those within it.
    private mutating func readLevels(_ error: JSONValue) {
        var level: JSONValue? = error
        for _ in 0..<Self.most {
            guard let current = level else { return }
            readLevel(current)
            level = current.member("innererror")
        }
    }

    private mutating func readLevel(_ level: JSONValue) {
        if let code = level.member("code") ?? level.member("errorCode") { add(code: code.string) }
        target = level.text("target") ?? target
        requestID = level.text("request-id") ?? level.text("requestId") ?? requestID
        // Each level has at most one message, but services give it different names.
        for name in ["message", "error_description", "errorMessage", "exceptionMessage", "faultstring"] {
            let message = level.member(name)
            // OData 3 has the message in an object with its language.
            if let text = message?.string ?? message?.text("value") { add(message: text) }
        }
        for name in ["title", "detail"] { if let text = level.text(name) { add(text) } }
        if let inner = level.member("pbi.error") {
            if let code = inner.text("code").flatMap(Self.name) { others.append(code) }
            readDetails(inner.member("details"))
        }
        readDetails(level.member("details"))
    }

    private mutating func readDetails(_ details: JSONValue?) {
        if let text = details?.string { return add(text) }
        for detail in (details?.array ?? []).prefix(Self.most) {
            if let code = detail.text("code").flatMap(Self.name) { others.append(code) }
            if let text = detail.text("message") ?? detail.member("detail")?.text("value") ?? detail.string {
                add(text)
            }
        }
    }

    /// A list of errors, or for each field the texts about it.
    private mutating func readFieldErrors(_ errors: JSONValue?) {
        for error in (errors?.array ?? []).prefix(Self.most) { read(error, depth: Self.most - 1) }
        for (field, value) in (errors?.object ?? [:]).sorted(by: { $0.key < $1.key }).prefix(Self.most) {
            for text in (value.array ?? [value]).prefix(Self.most).compactMap(\.string) { add("\(field): \(text)") }
        }
    }

    /// A message can be empty, and it can be a JSON text that holds the message.
    private mutating func add(message: String) {
        guard message.hasPrefix("{"), let json = try? JSONParser.parse(message, .lenient) else { return add(message) }
        let before = texts.count
        let holder = json.member("error").flatMap { $0.object == nil ? nil : $0 } ?? json
        if let text = holder.text("message") { add(text) }
        if texts.count == before { add(message) }
    }

    private mutating func add(_ text: String) {
        let text = String(text.trimming(" \t\r\n"))
        if !text.isEmpty, texts.count < Self.most, !texts.contains(text) { texts.append(text) }
    }

    private mutating func add(code: String?) {
        guard let code = code.flatMap(Self.name) else { return }
        // Some services add a level with the word "unknown" or the bare status around or inside the useful ones.
        if code.lowercased() == "unknown" { vague = code } else { codes.append(code) }
    }

    /// A code that is a name: one word with a letter in it.
    private static func name(_ text: String) -> String? {
        guard (1...128).contains(text.utf8.count), !text.contains(where: { $0.isWhitespace || $0 == "<" }),
            text.contains(where: \.isLetter)
        else { return nil }
        return text
    }

    // MARK: Markup and text

    private mutating func readText(_ text: String) {
        let start = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
        guard start.first == "<" else {
            if start.isReadable { add(String(start.prefix(2048))) }
            return
        }
        let markup = Markup(start)
        if let code = markup["code"] ?? markup["faultcode"] { add(code: code) }
        if let id = markup["requestid"] { requestID = id }
        for name in ["message", "faultstring", "authenticationerrordetail"] { if let text = markup[name] { add(text) } }
        guard codes.isEmpty, texts.isEmpty else { return }
        // The title of a web page is its most useful text.
        add(markup["title"] ?? markup["h1"] ?? String(markup.text.prefix(512)))
    }
}

extension UpstreamResponse {
    /// What the upstream said, for a support case.
    public var errorInfo: UpstreamErrorInfo { errorInfo(errorBody) }

    /// What the answer says of a failure.
    public var errorBody: UpstreamErrorBody { UpstreamErrorBody(self) }

    /// What the upstream said, for a support case, where the body has been read.
    public func errorInfo(_ body: UpstreamErrorBody) -> UpstreamErrorInfo {
        UpstreamErrorInfo(
            status: status,
            code: body.code,
            message: body.message,
            requestId: headers.requestID ?? body.requestID
        )
    }
}

extension UpstreamHeaders {
    /// Whether the body is a web page, such as a sign-in page in place of the expected answer.
    public var isWebPage: Bool {
        let type = self["content-type"]?.prefix { $0 != ";" }.lowercased() ?? ""
        return type.hasPrefix("text/html") || type.hasPrefix("application/xhtml")
    }

    /// The id under which the upstream's support finds the call.
    public var requestID: String? { self["request-id"] ?? self["x-ms-request-id"] ?? self["requestid"] }
}

extension String {
    /// A body as text: UTF-8, or ISO 8859-1 and its Windows form where the type says so.
    init(upstream bytes: [UInt8], contentType: String?) {
        let type = contentType?.lowercased() ?? ""
        if ["8859-1", "1252", "latin1"].contains(where: type.contains) {
            self.init(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        } else {
            self.init(decoding: bytes, as: UTF8.self)
        }
    }
}

extension Substring {
    /// Whether it is readable text, judged by its beginning, and not a binary file.
    fileprivate var isReadable: Bool {
        let beginning = unicodeScalars.prefix(512)
        let odd = beginning.count { scalar in
            scalar == "\u{FFFD}" || scalar.value < 0x20 && !"\t\r\n".unicodeScalars.contains(scalar)
        }
        return odd * 8 <= beginning.count
    }
}
