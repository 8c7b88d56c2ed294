public import JSON

/// An export as a gateway shows it. Members and statuses that are added later are accepted; all of them are in `json`.
public struct GatewayExport: Sendable, Hashable {
    /// The whole document.
    public let json: JSONValue
    public let id: String
    public let provider: String
    public let connection: String
    public let name: String
    /// Accept values that are not listed anywhere: `completedAt` holds for them too.
    public let status: String
    /// Its files; empty until it has succeeded.
    public let files: [GatewayFile]

    /// Reads the document; nil for one without what every export has, and for one with a file that cannot be read.
    public init?(_ json: JSONValue) {
        guard let id = json["id"]?.string, let status = json["status"]?.string,
            let listed = json["files"].map(\.array) ?? []
        else { return nil }
        files = listed.compactMap(GatewayFile.init)
        guard files.count == listed.count else { return nil }
        self.json = json
        self.id = id
        self.status = status
        provider = json["provider"]?.string ?? ""
        connection = json["connection"]?.string ?? ""
        name = json["name"]?.string ?? ""
    }

    /// How far it is, where the upstream tells.
    public var percentComplete: Int64? { json["percentComplete"]?.integer }
    public var createdAt: String? { json["createdAt"]?.string }
    /// When it ended, in whatever way: absent exactly as long as it goes on.
    public var completedAt: String? { json["completedAt"]?.string }
    public var hasEnded: Bool { completedAt != nil }
    /// Whether it has succeeded, at least in part. Its files may be none, be late, or be elsewhere.
    public var hasResult: Bool { status == "succeeded" || status == "partiallySucceeded" }
    /// The caller's own storage to which the upstream delivers the files: none can be downloaded from the gateway.
    public var destination: String? { json["destination"]?.string }
    /// Whether it has succeeded and the gateway still looks for its files: `tracking` is there beside `completedAt`.
    public var awaitsFiles: Bool {
        hasEnded && hasResult && files.isEmpty && destination == nil && json["tracking"]?.string != nil
    }
    /// Why it ended in another way than `succeeded`.
    public var error: Explanation? { Explanation(json["error"]) }
    /// What delays it at the moment, or what to know of a finished one.
    public var notice: Explanation? { Explanation(json["notice"]) }
    /// Whether it is kept: nothing of it is purged.
    public var isRetained: Bool { json["retained"] == .bool(true) }
    /// What became of the wish to cancel it.
    public var cancellation: String? { json["cancellation"]?.string }

    /// A code for machines and words for people.
    public struct Explanation: Sendable, Hashable, CustomStringConvertible {
        public let code: String
        public let detail: String

        init?(_ json: JSONValue?) {
            guard let code = json?["code"]?.string else { return nil }
            self.code = code
            detail = json?["detail"]?.string ?? ""
        }

        public var description: String { "\(detail) (\(code))" }
    }
}

/// One file of an export.
public struct GatewayFile: Sendable, Hashable {
    public let id: String
    /// As the upstream gives it: not fit to be a path.
    public let name: String
    /// Its bytes, as far as the gateway knows.
    public let size: Int64?
    /// Lower-case hexadecimal, as far as the gateway knows.
    public let sha256: String?

    init?(_ json: JSONValue) {
        guard let id = json["id"]?.string else { return nil }
        self.id = id
        name = json["name"]?.string ?? id
        size = json["size"]?.integer.flatMap { $0 >= 0 ? $0 : nil }
        sha256 = json["sha256"]?.string
    }
}

/// A page of a list.
public struct GatewayPage: Sendable, Hashable {
    /// The elements as they came.
    public let value: [JSONValue]
    /// Gets the next page; nil on the last one.
    public let nextCursor: String?

    init?(_ json: JSONValue) {
        guard let value = json["value"]?.array else { return nil }
        self.value = value
        nextCursor = json["nextCursor"]?.string
    }
}
