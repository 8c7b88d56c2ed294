import CallerIdentity
import HTTPTypes

/// One line of the route table: a method on a path, and what the server needs of its description in `openapi.yaml`.
struct Route: Sendable {
    /// One step of a pattern.
    private enum Step: Sendable {
        case text(Substring)
        case name(String)
    }

    /// By what a request is allowed.
    enum Authority: Sendable {
        /// The caller's credential, where credentials are configured.
        case credential
        /// The ticket in the path.
        case ticket
        /// None: everybody may call.
        case none
    }

    var method: HTTPRequest.Method
    /// The path as `openapi.yaml` writes it; `{name}` stands for one segment.
    let pattern: String
    private let steps: [Step]
    var operation: Operation
    /// Every status that this operation itself answers; `RouteTable.statusesOfAnyRoute` are added.
    var statuses: Set<Int>
    var authority: Authority
    /// The permission that the caller needs; nil where every caller may call.
    var permission: Permission?
    /// A parameter of the query with which the operation is another one, where it is `true`, and the permission that this needs instead.
    var variant: (parameter: String, permission: Permission)?
    /// The only media type of its success, where the client's `Accept` is checked.
    var negotiates: MediaType?
    /// Whether the query may hold anything at all.
    var takesQuery: Bool

    init(
        method: HTTPRequest.Method,
        pattern: String,
        operation: Operation,
        statuses: Set<Int>,
        authority: Authority = .credential,
        permission: Permission? = nil,
        variant: (parameter: String, permission: Permission)? = nil,
        negotiates: MediaType? = nil,
        takesQuery: Bool = false
    ) {
        self.method = method
        self.pattern = pattern
        self.operation = operation
        self.statuses = statuses
        self.authority = authority
        self.permission = permission
        self.variant = variant
        self.negotiates = negotiates
        self.takesQuery = takesQuery
        // Split once, and not for each request.
        steps = pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
            .map { $0.first == "{" ? .name(String($0.dropFirst().dropLast())) : .text($0) }
    }

    /// The permission that a request with this query needs; nil where every caller may call.
    func permission(with query: Substring?) -> Permission? {
        guard let variant, let parameters = try? QueryParser(query, allowed: [variant.parameter]),
            parameters[variant.parameter] == "true"
        else { return permission }
        return variant.permission
    }

    /// Whether it serves the bytes of files.
    var isDownload: Bool { permission == .download && method != .post && authority == .credential }

    /// Whether the caller must be authenticated, where credentials are configured.
    var needsCaller: Bool { authority == .credential }

    /// The values of the pattern's names, percent-decoded, when the segments of a path match it.
    ///
    /// The fixed steps must be spelled in the path exactly as here: a proxy that protects a path compares it as it comes, and
    /// must not be bypassed with another spelling.
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
