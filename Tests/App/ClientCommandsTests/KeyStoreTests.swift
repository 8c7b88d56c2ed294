import Foundation
import GatewayClient
import TestSupport
import Testing

@testable import ClientCommands

@Suite struct KeyStoreTests {
    private let directory: TemporaryDirectory
    private let store: KeyStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try #require(KeyStore(environment: ["XDG_CONFIG_HOME": directory.path]))
    }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func keepsAKeyForEachGateway() throws {
        let (first, second) = (try GatewayAddress("https://a"), try GatewayAddress("https://b/x"))
        #expect(try store.key(of: first) == nil)
        #expect(try store.set(GatewayKey("one"), of: first))
        #expect(try store.set(GatewayKey("two"), of: second))
        #expect(try !store.set(GatewayKey("two"), of: second))
        #expect(try store.servers() == ["https://a", "https://b/x"])
        #expect(try store.key(of: GatewayAddress("https://A:443/")) == GatewayKey("one"))
        #expect(try store.key(of: GatewayAddress("https://b")) == nil)
        #expect(try store.set(nil, of: first))
        #expect(try store.servers() == ["https://b/x"])
    }

    @Test func onlyItsOwnerReadsIt() throws {
        let address = try GatewayAddress("https://a")
        try store.set(GatewayKey("one"), of: address)
        #expect(try mode(store.path) == 0o600)
        #expect(try mode(directory.file("export-gateway")) == 0o700)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("export-gateway")) == ["keys.json"])
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: store.path)
        #expect { try store.key(of: address) } throws: { "\($0)".contains("chmod 600") }
    }

    @Test(arguments: ["", "{}", "[]", "{\"keys\":[]}", "{"])
    func whatIsNoStoreIsNamed(text: String) throws {
        try store.set(GatewayKey("one"), of: GatewayAddress("https://a"))
        try text.write(toFile: store.path, atomically: false, encoding: .utf8)
        #expect { try store.servers() } throws: { "\($0)".contains("is not a store of keys") }
    }

    @Test func homeIsTheUsualPlace() {
        #expect(KeyStore(environment: ["HOME": "/home/u"])?.path == "/home/u/.config/export-gateway/keys.json")
        #expect(
            KeyStore(environment: ["HOME": "/home/u", "XDG_CONFIG_HOME": "relative"])?.path.hasPrefix("/home/u/")
                == true
        )
        #expect(KeyStore(environment: [:]) == nil)
    }
}
