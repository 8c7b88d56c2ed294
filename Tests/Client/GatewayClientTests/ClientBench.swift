import Exports
import GatewayClient
import JSON
import ManualClock
import ScriptedHost
import SystemCrypto
import TestSupport

/// A client in front of a scripted gateway. Pauses end at once and move its clock.
struct ClientBench {
    let server: RawServer
    let client: GatewayClient
    let time: ManualTime
    let directory: TemporaryDirectory

    static let key = "key-of-a-test-0123456789"

    static func with(
        settings: ClientSettings = ClientSettings(),
        _ script: @escaping RawServer.Script,
        test: (ClientBench) async throws -> Void
    ) async throws {
        let server = try await RawServer.start(script)
        let time = ManualTime(pauses: .moveTheClock)
        let client = try GatewayClient(
            GatewayAddress("http://127.0.0.1:\(server.port)"),
            key: GatewayKey(key),
            settings: settings,
            time: time
        )
        let bench = ClientBench(server: server, client: client, time: time, directory: try TemporaryDirectory())
        do {
            try await test(bench)
        } catch {
            try await client.shutdown()
            try await server.stop()
            throw error
        }
        try await client.shutdown()
        try await server.stop()
    }

    var calls: [RawServer.Call] { server.calls }

    /// The answer that is an export.
    static func export(_ json: JSONValue, etag: String = "W/\"e.1\"", _ fields: [String] = [], status: Int = 200)
        -> RawServer.Step
    {
        RawServer.answer(
            status,
            ["Content-Type: application/json", "ETag: \(etag)"] + fields,
            body: String(decoding: json.encodedBytes(), as: UTF8.self)
        )
    }

    /// A problem document.
    static func problem(_ status: Int, _ code: String, _ fields: [String] = []) -> RawServer.Step {
        let document: JSONValue = ["code": .string(code), "detail": "No.", "status": .integer(Int64(status))]
        return RawServer.answer(status, fields, body: String(decoding: document.encodedBytes(), as: UTF8.self))
    }

    static let running: JSONValue = ["id": "e", "status": "running", "provider": "p", "name": "n", "files": []]
    static let ended: JSONValue = [
        "id": "e", "status": "succeeded", "completedAt": "2026-07-02T09:16:40.765Z", "files": [],
    ]
}
