public import Audit
public import Exports

/// Keys of audit trails as an operator names them on a command line: like secrets in the configuration.
public enum AuditKeyReferences {
    /// The keys that references such as `env:NAME` and `file:/path` point at. Throws `StartupError` for `--key`.
    public static func keys(
        _ references: [String],
        environment: [String: String]
    ) throws(StartupError) -> AuditKeys {
        let environment = OperatorEnvironment(variables: environment)
        var keys: [AuditKey] = []
        for reference in references {
            guard let key = AuditKey(base64: try environment.secret(reference, key: "--key")) else {
                throw StartupError("--key", "must hold 32 bytes in base 64, as audit.key does")
            }
            keys.append(key)
        }
        return AuditKeys(keys)
    }
}
