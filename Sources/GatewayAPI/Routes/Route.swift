import HTTPTypes

/// One line of the route table: a method on a path, and everything `openapi.yaml` says of it that the server needs.
struct Route: Sendable {
    var method: HTTPRequest.Method
    /// The path as `openapi.yaml` writes it; `{name}` stands for one segment.
    var pattern: String
    var operation: Operation
    /// Every status that this operation itself answers; `RouteTable.statusesOfAnyRoute` come on top.
    var statuses: Set<Int>
    /// Whether it must be known who calls, where credentials are configured.
    var needsCaller = true
    /// What the caller must be allowed; nil where every caller may call.
    var permission: Permission?
    /// The one media type of its success, where the client's `Accept` is heard.
    var negotiates: MediaType?
    /// Whether the query may hold anything at all.
    var takesQuery = false

    /// Whether it is about the bytes of files.
    var isDownload: Bool { permission == .download }

    /// The values of the pattern's names, percent-decoded, when the segments of a path match it.
    ///
    /// The steps that are not names stand in the path as they stand here: a proxy that keeps a path from strangers compares it
    /// as it comes, and must not be passed by in another spelling.
    func match(_ segments: [RequestTarget.Segment]) -> [String: String]? {
        let steps = pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        guard steps.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (step, segment) in zip(steps, segments) {
            if step.first == "{" {
                guard !segment.decoded.isEmpty else { return nil }
                parameters[String(step.dropFirst().dropLast())] = segment.decoded
            } else if step != segment.raw {
                return nil
            }
        }
        return parameters
    }
}
