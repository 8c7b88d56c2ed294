import CoreMetrics
import Exports
import Logging
import ServiceLifecycle

/// Reloads the files of the gateway's certificate at intervals, so that a renewed certificate is used after its files were replaced.
struct TLSReloading: Service, CustomStringConvertible {
    /// The longest time until a new certificate is used.
    static let interval = Duration.seconds(5)

    let identity: TLSIdentity
    let time: any TimeSource
    let logger: Logger
    let metrics: any MetricsFactory

    var description: String { "TLS certificate" }

    func run() async throws {
        showExpiry()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // The sleep fails only when the gateway ends.
                do { try await time.sleep(for: Self.interval) } catch { return }
                reload()
            }
        }
    }

    private func reload() {
        switch identity.reload(at: time.now()) {
        case .unchanged: break
        case .replaced:
            count("replaced")
            showExpiry()
            logger.notice(
                "the TLS certificate was replaced",
                metadata: ["expires_at": .stringConvertible(identity.expiresAt)]
            )
        case .unusable(let error):
            count("unusable")
            logger.error(
                "the TLS files cannot be used; the former certificate is still used",
                metadata: ["key": .string(error.key), "error": .string(error.detail)]
            )
        }
    }

    private func count(_ outcome: String) {
        Counter(label: "export_gateway_tls_reloads_total", dimensions: [("outcome", outcome)], factory: metrics)
            .increment()
    }

    private func showExpiry() {
        Meter(label: "export_gateway_tls_certificate_expiration_timestamp_seconds", factory: metrics)
            .set(identity.expiresAt.milliseconds / 1000)
    }
}
