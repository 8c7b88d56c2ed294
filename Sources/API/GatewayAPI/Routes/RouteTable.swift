import CallerIdentity
import HTTPTypes

/// All routes. A test compares this list with `openapi.yaml`, both ways.
enum RouteTable {
    /// The statuses that any route can answer: `default` in `openapi.yaml` describes them.
    static let statusesOfAnyRoute: Set<Int> = [400, 414, 421, 431, 500]

    static let routes: [Route] = [
        Route(
            method: .post,
            pattern: "/exports",
            operation: .createExport,
            statuses: [202, 400, 401, 403, 406, 408, 409, 410, 413, 415, 422, 429, 503],
            permission: .create,
            negotiates: .json
        ),
        Route(
            method: .get,
            pattern: "/exports",
            operation: .listExports,
            statuses: [200, 400, 401, 403, 406, 429, 503],
            permission: .read,
            negotiates: .json,
            takesQuery: true
        ),
        // Before `/exports/{id}`: see `match`.
        Route(
            method: .get,
            pattern: "/exports/events",
            operation: .streamEvents,
            statuses: [200, 400, 401, 403, 406, 426, 429, 503],
            permission: .read,
            negotiates: .events,
            takesQuery: true
        ),
        Route(
            method: .get,
            pattern: "/exports/{id}/events",
            operation: .streamExportEvents,
            statuses: [200, 204, 400, 401, 403, 404, 406, 410, 426, 429, 503],
            permission: .read,
            negotiates: .events
        ),
        Route(
            method: .get,
            pattern: "/exports/{id}",
            operation: .getExport,
            statuses: [200, 304, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .read,
            negotiates: .json
        ),
        Route(
            method: .get,
            pattern: "/exports/{id}/operation",
            operation: .getExportOperation,
            statuses: [200, 304, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .read,
            negotiates: .json
        ),
        Route(
            method: .delete,
            pattern: "/exports/{id}",
            operation: .cancelExport,
            statuses: [200, 204, 400, 401, 403, 404, 406, 409, 410, 429, 502, 503, 504],
            permission: .cancel,
            variant: ("purge", .purge),
            negotiates: .json,
            takesQuery: true
        ),
        Route(
            method: .put,
            pattern: "/exports/{id}/retain",
            operation: .retainExport,
            statuses: [200, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .retain,
            negotiates: .json
        ),
        Route(
            method: .delete,
            pattern: "/exports/{id}/retain",
            operation: .releaseExport,
            statuses: [200, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .retain,
            negotiates: .json
        ),
        Route(
            method: .put,
            pattern: "/exports/{id}/submission",
            operation: .resolveExport,
            statuses: [200, 400, 401, 403, 404, 406, 408, 409, 410, 412, 413, 415, 422, 429, 503],
            permission: .resolve,
            negotiates: .json
        ),
        Route(
            method: .get,
            pattern: "/exports/{id}/files",
            operation: .listExportFiles,
            statuses: [200, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .read,
            negotiates: .json
        ),
        Route(
            method: .get,
            pattern: "/exports/{id}/deliveries",
            operation: .listExportDeliveries,
            statuses: [200, 400, 401, 403, 404, 406, 410, 429, 503],
            permission: .read,
            negotiates: .json,
            takesQuery: true
        ),
        download(.get, "/exports/{id}/files/{fileId}", .downloadExportFile),
        download(.head, "/exports/{id}/files/{fileId}", .headExportFile),
        download(.get, "/exports/{id}/content", .downloadExportContent),
        download(.head, "/exports/{id}/content", .headExportContent),
        Route(
            method: .post,
            pattern: "/exports/{id}/files/{fileId}/tickets",
            operation: .createDownloadTicket,
            statuses: [201, 400, 401, 403, 404, 406, 409, 410, 429, 503],
            permission: .download,
            negotiates: .json
        ),
        download(.get, "/tickets/{ticket}", .downloadByTicket, by: .ticket),
        download(.head, "/tickets/{ticket}", .headByTicket, by: .ticket),
        Route(
            method: .get,
            pattern: "/providers",
            operation: .listProviders,
            statuses: [200, 401, 406, 429, 503],
            negotiates: .json
        ),
        Route(
            method: .get,
            pattern: "/providers/{id}",
            operation: .getProvider,
            statuses: [200, 401, 404, 406, 429, 503],
            negotiates: .json
        ),
        webhooks(.post, "", .createWebhook, [201, 408, 413, 415, 422, 429]),
        webhooks(.get, "", .listWebhooks, [200, 400], takesQuery: true),
        webhooks(.get, "/{webhookId}", .getWebhook, [200, 404]),
        webhooks(.patch, "/{webhookId}", .updateWebhook, [200, 404, 408, 412, 413, 415, 422, 429]),
        webhooks(.delete, "/{webhookId}", .deleteWebhook, [204, 404]),
        webhooks(.post, "/{webhookId}/secret", .rotateWebhookSecret, [200, 404]),
        webhooks(.post, "/{webhookId}/test", .testWebhook, [202, 404]),
        webhooks(.get, "/{webhookId}/deliveries", .listWebhookDeliveries, [200, 400, 404], takesQuery: true),
        webhooks(.post, "/{webhookId}/deliveries/{messageId}/replay", .replayWebhookDelivery, [202, 404]),
        webhooks(
            .post,
            "/{webhookId}/replay",
            .replayWebhookDeliveries,
            [202, 404, 408, 413, 415, 422, 429]
        ),
        Route(
            method: .get,
            pattern: "/audit",
            operation: .listAuditRows,
            statuses: [200, 400, 401, 403, 404, 406, 429, 503],
            permission: .readAudit,
            takesQuery: true
        ),
        Route(method: .get, pattern: "/livez", operation: .getLiveness, statuses: [200], authority: .none),
        Route(method: .get, pattern: "/readyz", operation: .getReadiness, statuses: [200, 503], authority: .none),
        Route(method: .get, pattern: "/metrics", operation: .getMetrics, statuses: [200], authority: .none),
        Route(
            method: .post,
            pattern: "/reload",
            operation: .reloadConfiguration,
            statuses: [200, 403, 422, 503],
            authority: .none
        ),
        Route(method: .get, pattern: "/openapi.yaml", operation: .getOpenAPI, statuses: [200], authority: .none),
    ]

    private static func download(
        _ method: HTTPRequest.Method,
        _ pattern: String,
        _ operation: Operation,
        by authority: Route.Authority = .credential
    ) -> Route {
        // `Accept` only chooses between the file and the archive. A client that accepts only the file's own type gets the file,
        // so 406 is only for `Accept-Encoding`.
        // Only GET serves parts of a file (RFC 9110, 14.2).
        let ofGET: Set = method == .get ? [206, 416, 426] : []
        return Route(
            method: method,
            pattern: pattern,
            operation: operation,
            statuses: ofGET.union([200, 304, 400, 403, 404, 406, 409, 410, 412, 429, 502, 503, 504])
                .union(authority == .credential ? [401] : []),
            authority: authority,
            permission: .download
        )
    }

    private static func webhooks(
        _ method: HTTPRequest.Method,
        _ below: String,
        _ operation: Operation,
        _ statuses: Set<Int>,
        takesQuery: Bool = false
    ) -> Route {
        Route(
            method: method,
            pattern: "/webhooks" + below,
            operation: operation,
            statuses: statuses.union([400, 401, 403, 406, 409, 429, 503]),
            permission: .manageWebhooks,
            negotiates: .json,
            takesQuery: takesQuery
        )
    }

    /// The result of a lookup.
    enum Match: Sendable {
        case route(Route, parameters: [String: String])
        /// The path is known, the method is not; `Allow` lists those that are.
        case otherMethods([HTTPRequest.Method])
        case nothing
    }

    /// Finds the route of `method` on a path, among those of one listener.
    ///
    /// A path that a pattern without names spells out belongs to that pattern alone: no export has the id `events`.
    ///
    /// Each route with GET also has HEAD (RFC 9110, 9.3.2): downloads have routes of their own for it, and everything else is
    /// handled like GET, without sending the content.
    static func match(
        _ method: HTTPRequest.Method,
        _ segments: [RequestTarget.Segment],
        on listener: Listener = .everything
    ) -> Match {
        var allowed: [HTTPRequest.Method] = []
        var get: Match?
        var literal: String?
        for route in routes where listener.has(route.operation) {
            guard literal == nil || literal == route.pattern, let parameters = route.match(segments) else { continue }
            if parameters.isEmpty { literal = route.pattern }
            if route.method == method { return .route(route, parameters: parameters) }
            if !allowed.contains(route.method) { allowed.append(route.method) }
            guard route.method == .get else { continue }
            if !allowed.contains(.head) { allowed.append(.head) }
            get = .route(route, parameters: parameters)
        }
        if method == .head, let get { return get }
        return allowed.isEmpty ? .nothing : .otherMethods(allowed)
    }
}
