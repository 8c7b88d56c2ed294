import Exports
import Foundation
import Yams

extension GatewayConfiguration {
    /// Where the gateway of a configuration listens, and nothing else of it: no secret is looked for, so that a probe does
    /// not fail because of one that was taken away after the start.
    struct Listening: Sendable {
        var server: Listener
        var operations: Listener?
        var isTLS: Bool
        var wantsCertificate: Bool

        /// Throws `StartupError` naming the key that cannot be read.
        init(path: String, environment: [String: String]) throws(StartupError) {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw StartupError("--config", "the file \(path) cannot be read as UTF-8 text")
            }
            guard let root = try? Yams.compose(yaml: text), case .mapping(let sections) = root else {
                throw StartupError("configuration", "is not YAML")
            }
            let environment = OperatorEnvironment(variables: environment)
            var section = try ConfigurationSection(
                sections["server"],
                path: "server",
                environment: environment,
                isOverridable: true
            )
            let defaults = Server()
            server = Listener(
                host: try section.text("host") ?? defaults.host,
                port: try section.integer("port", in: 0...65_535, default: defaults.port)
            )
            operations = try Listener(operations: section.node("operations"), environment)
            let tls = section.node("tls")
            isTLS = tls != nil
            wantsCertificate = tls?["clientCertificates"]?.string == "required"
        }
    }
}
