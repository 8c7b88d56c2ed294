import ArgumentParser
import Foundation
import GatewayClient

/// Which gateway is asked, and with which key.
struct ClientSetup {
    var address: GatewayAddress
    var key: GatewayKey?
    var tokens: GatewayClient.UpstreamTokens
    /// As curl and OpenSSL are told of them.
    var authorities: String?

    /// Reads options, environment and store, in this order. A mistake is a `ValidationError`: exit code 64.
    init(_ options: ClientOptions, environment: [String: String]) throws {
        let store = KeyStore(environment: environment)
        address = try Self.address(options, environment, store)
        key = try Self.key(options, environment, store, of: address)
        authorities = environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        tokens = GatewayClient.UpstreamTokens(
            calls: try Self.token("EXPORT_GATEWAY_UPSTREAM_TOKEN", environment),
            downloads: try Self.token("EXPORT_GATEWAY_UPSTREAM_DOWNLOAD_TOKEN", environment)
        )
    }

    /// The gateway that is asked.
    static func address(
        _ options: ClientOptions,
        _ environment: [String: String],
        _ store: KeyStore?
    ) throws -> GatewayAddress {
        if let text = options.server { return try address(text, from: "--server") }
        if let text = environment["EXPORT_GATEWAY_URL"], !text.isEmpty {
            return try address(text, from: "EXPORT_GATEWAY_URL")
        }
        let stored = try named { () throws(KeyStore.Failure) in try store?.servers() ?? [] }
        guard stored.count == 1 else {
            throw ValidationError(
                stored.isEmpty
                    ? "name the gateway with --server or EXPORT_GATEWAY_URL"
                    : "there are keys for several gateways: name one with --server or EXPORT_GATEWAY_URL"
            )
        }
        return try address(stored[0], from: "the store of keys")
    }

    /// The client of a command.
    func client(_ options: ClientOptions, _ change: (inout ClientSettings) -> Void = { _ in }) throws -> GatewayClient {
        var settings = ClientSettings()
        settings.retries = options.retries
        settings.allowsPlainHTTP = options.allowPlainHTTP
        settings.authoritiesFile = authorities
        change(&settings)
        do throws(GatewayClient.Unusable) {
            return try GatewayClient(address, key: key, tokens: tokens, settings: settings)
        } catch {
            throw ValidationError(error.description)
        }
    }

    /// The key in a file.
    static func key(file: String) throws -> GatewayKey {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError("--key-file: \(file) cannot be read")
        }
        guard let key = GatewayKey(String(decoding: data, as: UTF8.self)) else {
            throw ValidationError(
                "--key-file: \(file) must hold one key of printable ASCII characters, and nothing else"
            )
        }
        return key
    }

    /// A mistake in the store is one of the user's.
    static func named<Value>(_ work: () throws(KeyStore.Failure) -> Value) throws -> Value {
        do throws(KeyStore.Failure) {
            return try work()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private static func address(_ text: String, from place: String) throws -> GatewayAddress {
        do throws(GatewayAddress.Invalid) {
            return try GatewayAddress(text)
        } catch {
            throw ValidationError("\(place) \(error)")
        }
    }

    private static func key(
        _ options: ClientOptions,
        _ environment: [String: String],
        _ store: KeyStore?,
        of address: GatewayAddress
    ) throws -> GatewayKey? {
        if let file = options.keyFile { return try key(file: file) }
        if let key = try token("EXPORT_GATEWAY_KEY", environment) { return key }
        return try named { () throws(KeyStore.Failure) in try store?.key(of: address) }
    }

    private static func token(_ name: String, _ environment: [String: String]) throws -> GatewayKey? {
        guard let text = environment[name], !text.isEmpty else { return nil }
        guard let key = GatewayKey(text) else {
            throw ValidationError("\(name) must have printable ASCII characters only")
        }
        return key
    }
}
