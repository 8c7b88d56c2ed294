/// A limit that a request has met. The raw value of its name is in problem documents and header fields.
public struct Quota: Sendable, Hashable {
    /// Which limit it is: a closed list.
    public enum Name: String, Sendable, Hashable, CaseIterable {
        /// A caller's requests.
        case requests
        /// A caller's requests that wait for a change, and event streams.
        case waits
        /// The exports that a caller creates.
        case creates
        /// The bytes that a caller downloads.
        case downloadBytes = "download-bytes"
        /// A caller's downloads at a time.
        case perCaller = "downloads-per-caller"
        /// All callers' downloads at a time.
        case all = "downloads"

        /// What is counted: a quota unit of the draft.
        /// See https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10.
        public var unit: String {
            switch self {
            case .requests, .creates: "requests"
            case .downloadBytes: "content-bytes"
            case .waits, .perCaller, .all: "concurrent-requests"
            }
        }
    }

    public var name: Name
    public var limit: Int
    /// The time in which so many are allowed; nil for what is counted at a time.
    public var window: Duration?

    /// Makes a quota.
    public init(_ name: Name, limit: Int, window: Duration? = nil) {
        self.name = name
        self.limit = limit
        self.window = window
    }
}
