import Exports
import Hummingbird

/// What the platform asks for: `/livez`, `/readyz`, `/metrics`, `/openapi.yaml`.
struct OperationsRoutes: Sendable {
    let service: any ExportService
    let readiness: @Sendable () -> Bool
    let metrics: PrometheusRegistry
    let version: String

    /// `getLiveness`
    func liveness() -> Response { passes }

    /// `getReadiness`. Throws `unavailable` while the process starts or drains, and when the ledger does not answer.
    func readiness() async throws -> Response {
        guard readiness() else {
            throw GatewayError(.unavailable, "The gateway is starting or shutting down.")
        }
        guard await service.isReady() else {
            throw GatewayError(.unavailable, "The gateway cannot reach its ledger.")
        }
        return passes
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
