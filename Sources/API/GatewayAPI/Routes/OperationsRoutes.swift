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
            throw Self.notReady("starting-or-stopping", "The gateway is starting or shutting down.")
        }
        guard await service.isReady() else {
            throw Self.notReady("ledger-unreadable", "The gateway cannot reach its ledger.")
        }
        let impediments = impediments()
        return JSONAnswer.plain(
            JSONWriter.object { writer in
                writer.member("status", impediments.isEmpty ? "pass" : "degraded")
                writer.member("version", version)
                guard !impediments.isEmpty else { return }
                writer.member("reasons", .array(impediments.map { Self.reason($0.rawValue, $0.detail) }))
            },
            cacheControl: "no-store"
        )
    }

    private static func notReady(_ code: String, _ detail: String) -> GatewayError {
        let members: [String: JSONValue] = ["readiness": "notReady", "reasons": .array([reason(code, detail)])]
        return GatewayError(.unavailable, detail, members: members)
    }

    private static func reason(_ code: String, _ detail: String) -> JSONValue {
        .object(["code": .string(code), "detail": .string(detail)])
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
