import HTTPTypes

/// One line of the route table: a method on a path, and everything `openapi.yaml` says of it that the server needs.
struct Route: Sendable {
    /// One step of a pattern.
    private enum Step: Sendable {
        case text(Substring)
        case name(String)
    }

    var method: HTTPRequest.Method
    /// The path as `openapi.yaml` writes it; `{name}` stands for one segment.
    let pattern: String
    private let steps: [Step]
    var operation: Operation
    /// Every status that this operation itself answers; `RouteTable.statusesOfAnyRoute` come on top.
    var statuses: Set<Int>
    /// Whether it must be known who calls, where credentials are configured.
    var needsCaller: Bool
    /// What the caller must be allowed; nil where every caller may call.
    var permission: Permission?
    /// The one media type of its success, where the client's `Accept` is heard.
    var negotiates: MediaType?
    /// Whether the query may hold anything at all.
    var takesQuery: Bool

    init(
        method: HTTPRequest.Method,
        pattern: String,
        operation: Operation,
        statuses: Set<Int>,
        needsCaller: Bool = true,
        permission: Permission? = nil,
        negotiates: MediaType? = nil,
        takesQuery: Bool = false
    ) {
        self.method = method
        self.pattern = pattern
        self.operation = operation
        self.statuses = statuses
        self.needsCaller = needsCaller
        self.permission = permission
        self.negotiates = negotiates
        self.takesQuery = takesQuery
        // Taken apart once, and not for each request.
        steps = pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
            .map { $0.first == "{" ? .name(String($0.dropFirst().dropLast())) : .text($0) }
    }

    /// Whether it is about the bytes of files.
    var isDownload: Bool { permission == .download }

    /// The values of the pattern's names, percent-decoded, when the segments of a path match it.
    ///
    /// The steps that are not names stand in the path as they stand here: a proxy that keeps a path from strangers compares it
    /// as it comes, and must not be passed by in another spelling.
    func match(_ segments: [RequestTarget.Segment]) -> [String: String]? {
        guard steps.count == segments.count else { return nil }
        for (step, segment) in zip(steps, segments) {
            switch step {
            case .text(let text): if text != segment.raw { return nil }
            case .name: if segment.decoded.isEmpty { return nil }
            }
        }
        var parameters: [String: String] = [:]
        for (step, segment) in zip(steps, segments) {
            if case .name(let name) = step { parameters[name] = segment.decoded }
        }
        return parameters
    }
}
