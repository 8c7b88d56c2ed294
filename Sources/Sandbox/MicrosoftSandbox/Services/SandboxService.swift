import Hummingbird

/// A service that the sandbox plays: the calls that there are, and its answer to one of them.
///
/// What a service does not say is as of those on Graph.
protocol SandboxService: Sendable {
    /// The calls that it answers.
    static var routes: [RouteTable.Route] { get }
    /// What the tenant has consented to, for each resource whose tokens it takes.
    static var permissions: [TokenBook.Audience: [String]] { get }
    /// Tokens that are good from the start, and for what.
    static var grants: [String: TokenBook.Grant] { get }
    /// The members of a request's body that nobody else may read.
    static var secretMembers: [String] { get }
    /// An export that demonstrations run; nil for a service that runs none.
    static var sample: SandboxSample? { get }

    /// Reads a request to the storage host as one for a link of the service's; nil where it has not the form of one.
    static func storageLink(_ call: Call) -> (any StorageLink)?

    /// An error body that says `words`, which are written as a part of a JSON string.
    static func errorBody(_ words: String) -> String

    var world: World { get }
    var call: Call { get }

    init(world: World, call: Call)

    /// The job that the call speaks of.
    var jobSpokenOf: Job? { get }
    /// What a rule's `match` can tell the call apart by, besides its path, its job and the texts of a JSON body.
    var subjects: [String] { get }
    /// 429 in the service's own form, without its `Retry-After`.
    var throttled: Response { get }

    func answer() -> Response
}

extension SandboxService {
    static var permissions: [TokenBook.Audience: [String]] { [:] }
    static var grants: [String: TokenBook.Grant] { [:] }
    static var secretMembers: [String] { [] }
    static var sample: SandboxSample? { nil }

    static func storageLink(_ call: Call) -> (any StorageLink)? { nil }

    static func errorBody(_ words: String) -> String {
        #"{"error":{"code":"BadRequest","message":"Refused: \#(words)"}}"#
    }

    var jobSpokenOf: Job? { nil }
    var subjects: [String] { [] }
    var throttled: Response { GraphAnswer(world: world, call: call).throttled }
}

/// What answers where no service has a route.
struct UnknownService: SandboxService {
    static let routes: [RouteTable.Route] = []

    let world: World
    let call: Call

    func answer() -> Response {
        GraphAnswer(world: world, call: call).notFound("Resource not found for the request.")
    }
}
