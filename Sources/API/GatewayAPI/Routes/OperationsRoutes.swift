import Audit
import JSON
import Telemetry
import Exports
import Hummingbird

/// The routes for the platform: `/livez`, `/readyz`, `/metrics`, `/reload`, `/openapi.yaml`.
struct OperationsRoutes: Sendable {
    let service: any ExportService
    let readiness: @Sendable () -> Bool
    let impediments: @Sendable () -> [ServiceImpediment]
    let reload: @Sendable (_ origin: AuditOrigin) async -> ReloadOutcome
    let metrics: PrometheusRegistry
    let version: String

    /// `getLiveness`
    func liveness() -> Response { passes }

    /// `getReadiness`: `pass`, or `degraded` where new exports are refused and everything else works. Throws `unavailable`
    /// while the process starts or drains, and when the ledger does not answer.
    func readiness() async throws -> Response {
        guard readiness() else {
            throw Self.notReady(.startingOrStopping)
        }
        guard await service.isReady() else {
            throw Self.notReady(.ledgerUnreadable)
        }
        let impediments = impediments()
        return JSONAnswer.plain(
            JSONWriter.object { writer in
                writer.member("status", impediments.isEmpty ? "pass" : "degraded")
                writer.member("version", version)
                guard !impediments.isEmpty else { return }
                writer.member("reasons", impediments.map { .impediment($0) })
            },
            cacheControl: "no-store"
        )
    }

    private static func notReady(_ reason: ReadinessReason) -> GatewayError {
        GatewayError(.unavailable, reason.detail, members: .notReady([reason]))
    }

    /// `getMetrics`
    func figures() -> Response {
        Response(
            status: .ok,
            headers: [.contentType: MediaType.prometheus.rawValue, .cacheControl: "no-store"],
            body: .init(byteBuffer: .init(string: metrics.text()))
        )
    }

    /// `reloadConfiguration`: the body of the request is not looked at, because the configuration is the operator's file.
    ///
    /// Browsers send `Origin` with each POST of a page (https://fetch.spec.whatwg.org, "append a request `Origin` header"), also of one
    /// that has come to a name of this machine by a change of its DNS. No page may ask for a reload.
    func reloadConfiguration(_ call: Call) async throws -> Response {
        guard call.request.headers[.origin] == nil else {
            throw GatewayError(.forbidden, "A reload is not for web pages: a request with Origin is refused.")
        }
        switch await reload(AuditOrigin(call.viewer)) {
        case .applied(let changed):
            return JSONAnswer.plain(
                JSONWriter.object { $0.member("changed", .array(changed.map { .string($0) })) },
                cacheControl: "no-store"
            )
        case .invalid(let faults):
            throw GatewayError(
                .invalidConfiguration,
                "The configuration is not valid, see configuration. Nothing has changed.",
                members: .configuration(faults)
            )
        case .restartNeeded(let faults):
            throw GatewayError(
                .restartNeeded,
                "Changes of the keys in configuration need a restart. Nothing has changed, of other keys neither.",
                members: .configuration(faults)
            )
        case .notNow:
            throw GatewayError(
                .unavailable,
                "The gateway starts or stops. Nothing has changed.",
                retryAfter: .seconds(5)
            )
        }
    }

    /// `getOpenAPI`
    func openAPI() -> Response {
        Response(
            status: .ok,
            headers: [.contentType: MediaType.yaml.rawValue, .cacheControl: "no-cache"],
            body: .init(byteBuffer: .init(bytes: PackageResources.openapi_yaml))
        )
    }

    private var passes: Response {
        JSONAnswer.plain(
            JSONWriter.object { writer in
                writer.member("status", "pass")
                writer.member("version", version)
            },
            cacheControl: "no-store"
        )
    }
}
