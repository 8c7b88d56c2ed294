import ArgumentParser
import Foundation
import GatewayClient

struct LoginCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Checks a key at a gateway and stores it for the commands of this user.",
        discussion: """
            The key is read from --key-file, EXPORT_GATEWAY_KEY or standard input; a terminal does not show it. It is stored in \
            export-gateway/keys.json below XDG_CONFIG_HOME or ~/.config, which its owner alone can read.
            """
    )

    @OptionGroup var client: ClientOptions
    @Flag(help: "Remove the key of the gateway from the store.")
    var remove = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let store = KeyStore(environment: environment) else {
            throw ValidationError("there is no configuration directory: set HOME or XDG_CONFIG_HOME")
        }
        let address = try ClientSetup.address(client, environment, store)
        if remove {
            let changed = try ClientSetup.named { () throws(KeyStore.Failure) in try store.set(nil, of: address) }
            return try Output.print(changed ? "\(address): removed" : "\(address): there was no key")
        }
        let key = try key(environment, for: address)
        try await ClientSession.run(client, key: key) { session in
            _ = try await session.client.providers()
            return .done
        }
        _ = try ClientSetup.named { () throws(KeyStore.Failure) in try store.set(key, of: address) }
        try Output.print("\(address): stored in \(store.path)")
    }

    private func key(_ environment: [String: String], for address: GatewayAddress) throws -> GatewayKey {
        if let file = client.keyFile { return try ClientSetup.key(file: file) }
        let text: String?
        if let given = environment["EXPORT_GATEWAY_KEY"], !given.isEmpty {
            text = given
        } else {
            text = SecretInput.read(prompt: "key for \(address): ")
        }
        guard let key = text.flatMap({ GatewayKey($0) }) else {
            throw ValidationError("give a key of printable ASCII characters on standard input")
        }
        return key
    }
}
