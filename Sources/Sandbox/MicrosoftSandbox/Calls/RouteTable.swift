/// Which call a method and a path mean: the routes of all services, read from the top.
struct RouteTable: Sendable {
    /// The calls of one pattern. Its segments are literals (`a|b` for alternatives, told apart without regard to case) or
    /// `{names}`.
    struct Route: Sendable {
        fileprivate enum Segment: Sendable {
            case literal([String])
            case capture(String)
        }

        let operation: Operation
        fileprivate let listener: Listener
        fileprivate let method: String
        fileprivate let segments: [Segment]

        /// Reads `"METHOD path/to/{thing}"`.
        ///
        /// - Parameter listener: Where it is called; what `api` has, `secure` has too.
        init(_ pattern: String, _ operation: Operation, on listener: Listener = .api) {
            let halves = pattern.split(separator: " ")
            self.operation = operation
            self.listener = listener
            method = String(halves[0])
            segments = halves[1].split(separator: "/")
                .map { part -> Segment in
                    part.hasPrefix("{")
                        ? .capture(String(part.dropFirst().dropLast()))
                        : .literal(part.lowercased().split(separator: "|").map(String.init))
                }
        }
    }

    enum Match {
        case found(Operation, of: any SandboxService.Type, [String: String])
        case wrongMethod(allow: [String])
        case notFound
    }

    private let routes: [(route: Route, service: any SandboxService.Type)]

    private init(of listener: Listener) {
        routes = Services.all.flatMap { service in
            service.routes.filter { $0.listener == listener }.map { (route: $0, service: service) }
        }
    }

    static let api = RouteTable(of: .api)
    static let proxy = RouteTable(of: .proxy)
    static let blob = RouteTable(of: .blob)

    func match(method: String, path: RequestPath) -> Match {
        var allow: [String] = []
        let lowered = path.segments.map { $0.lowercased() }
        for (route, service) in routes where route.segments.count == lowered.count {
            guard let captures = capture(route, path.segments, lowered) else { continue }
            if route.method == method { return .found(route.operation, of: service, captures) }
            if !allow.contains(route.method) { allow.append(route.method) }
        }
        return allow.isEmpty ? .notFound : .wrongMethod(allow: allow)
    }

    private func capture(_ route: Route, _ segments: [String], _ lowered: [String]) -> [String: String]? {
        var captures: [String: String] = [:]
        for (index, segment) in route.segments.enumerated() {
            switch segment {
            case .literal(let alternatives):
                guard alternatives.contains(lowered[index]) else { return nil }
            case .capture(let name):
                captures[name] = segments[index]
            }
        }
        return captures
    }
}
