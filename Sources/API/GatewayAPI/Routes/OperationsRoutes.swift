import JSON
import Telemetry
import Exports
import Hummingbird

/// The routes for the platform: `/livez`, `/readyz`, `/metrics`, `/openapi.yaml`.
struct OperationsRoutes: Sendable {
    let service: any ExportService
    let readiness: @Sendable () -> Bool
    let impediments: @Sendable () -> [ServiceImpediment]
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
