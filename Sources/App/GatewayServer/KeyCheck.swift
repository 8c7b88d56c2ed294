public import Exports
import Logging

/// Opens every key and certificate that a configuration names, without a network call. `export-gateway check --offline` shows the
/// result.
public enum KeyCheck {
    /// One finding for each connection, in the order of the configuration; printing it is safe. Blocks its thread while files are
    /// read and hardware modules answer.
    public static func run(
        _ configuration: GatewayConfiguration,
        time: any TimeSource = SystemTime()
    ) -> [ConnectionCheck.Finding] {
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        return configuration.connections.map { connection in
            do throws(StartupError) {
                let found = try connection.checkCredential(now: true, time: time, logger: logger)
                let detail = found ?? "nothing to open"
                return .init(connection: connection.name, isGood: true, detail: detail)
            } catch {
                return .init(connection: connection.name, isGood: false, detail: "\(error)")
            }
        }
    }
}
