import Exports
import PostgreSQL
import Yams

extension GatewayConfiguration.Ledger {
    /// Reads `ledger`: either `path` or `url`. Throws `StartupError` naming the key that is wrong.
    init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        var section = try ConfigurationSection(node, path: "ledger", environment: environment, isOverridable: true)
        let (path, url) = (try section.text("path"), try section.text("url"))
        let password = try section.secret("password")
        let hasDuration = try section.text("leaseDuration") != nil
        var shared = GatewayConfiguration.SharedLedger()
        shared.leaseDuration = try section.duration(
            "leaseDuration",
            in: .seconds(2) ... .seconds(300),
            default: shared.leaseDuration
        )
        try section.finish()
        switch (path, url) {
        case (nil, nil):
            throw section.error("path", "is required: the path of a SQLite file, or ledger.url for PostgreSQL")
        case (.some, .some):
            throw section.error("url", "cannot be used together with ledger.path: choose one of them")
        case (let path?, nil):
            guard password == nil else { throw section.error("password", "is used with ledger.url only") }
            guard !hasDuration else { throw section.error("leaseDuration", "is used with ledger.url only") }
            self = .file(path: path)
        case (nil, let url?):
            do throws(PostgreSQLError) {
                self = .postgresql(try PostgreSQLSettings(uri: url, password: password), shared)
            } catch {
                throw section.error("url", "cannot be used: \(error.message)")
            }
        }
    }

    /// Where the SQLite file is; nil for a database.
    var path: String? { if case .file(let path) = self { path } else { nil } }

    /// Throws `StartupError` where replicas need what is not configured.
    func refuse(_ server: GatewayConfiguration.Server) throws(StartupError) {
        guard case .postgresql = self, server.cursorKey == nil else { return }
        throw StartupError(
            "server.cursorKey",
            "is required with ledger.url: a list that begins on one replica goes on at another"
        )
    }
}
