import Exports
import Foundation
import SystemCrypto
import Yams

extension GatewayConfiguration.Sealing {
    /// Reads `sealing`: nil where there is none. Throws `StartupError` naming the key that is wrong.
    init?(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        guard let node else { return nil }
        var section = try ConfigurationSection(node, path: "sealing", environment: environment)
        let (keysNode, chosen) = (section.node("keys"), try section.text("current"))
        try section.finish()
        guard case .sequence(let sequence)? = keysNode, !sequence.isEmpty else {
            throw section.error("keys", "must list at least one key, as { id, key }")
        }
        var entries: [(id: String, key: [UInt8])] = []
        for (index, element) in sequence.enumerated() {
            let entry = try Self.entry(element, path: "sealing.keys[\(index)]", environment)
            if entries.contains(where: { $0.id == entry.id }) {
                throw StartupError("sealing.keys[\(index)].id", "\(entry.id) is taken")
            }
            if let other = entries.first(where: { $0.key == entry.key }) {
                throw StartupError("sealing.keys[\(index)].key", "is the same key as \(other.id); make a new one")
            }
            entries.append(entry)
        }
        ids = entries.map(\.id)
        guard let current = chosen ?? (entries.count == 1 ? entries[0].id : nil) else {
            throw section.error("current", "must name the key that seals, where there are several")
        }
        guard ids.contains(current) else {
            throw section.error("current", "must be the id of one of sealing.keys: \(ids.joined(separator: ", "))")
        }
        self.current = current
        do throws(CryptoError) {
            keys = try SealingKeys(current: current, keys: Dictionary(entries.map { ($0.id, $0.key) }) { $1 })
        } catch {
            throw section.error("keys", "cannot be used: \(error)")
        }
    }

    private static func entry(
        _ node: Node,
        path: String,
        _ environment: OperatorEnvironment
    ) throws(StartupError) -> (id: String, key: [UInt8]) {
        var section = try ConfigurationSection(node, path: path, environment: environment)
        let id = try section.requiredText("id")
        guard (1...64).contains(id.utf8.count), id.utf8.allSatisfy(\.isNameByte) else {
            throw section.error("id", "must be 1 to 64 letters, digits, dots or dashes")
        }
        environment.record(name: id, of: path)
        guard let secret = try section.secret("key") else {
            throw section.error("key", "is required: env:NAME or file:/path")
        }
        try section.finish()
        guard let key = Data(base64Encoded: secret.reveal()), key.count == 32 else {
            throw section.error("key", "must hold 32 bytes in base 64, as `openssl rand -base64 32` makes them")
        }
        return (id, Array(key))
    }
}

extension [ConnectionConfiguration] {
    /// Refuses to keep refresh tokens where nothing seals them.
    func refuseKeeping(without sealing: GatewayConfiguration.Sealing?) throws(StartupError) {
        guard sealing == nil, let index = firstIndex(where: \.credential.keepsRefreshTokens) else { return }
        throw StartupError(
            "sealing.keys",
            "is needed: connections[\(index)].credential.keepRefreshTokens is true, and what is kept is sealed"
        )
    }
}
