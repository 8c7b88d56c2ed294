import AsyncHTTPClient
import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SandboxBench
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A running sandbox on a clock of its own, and a client that follows no redirects.
struct Lab {
    let sandbox: MicrosoftSandbox
    let time: ManualTime
    let addresses: SandboxAddresses
    let client: HTTPClient

    static let graphScope = "https://graph.microsoft.com/.default"
    static let powerBIScope = "https://analysis.windows.net/powerbi/api/.default"
    static let purviewScope = "b26e684c-5068-4120-a679-64a5d2c909d9/.default"

    var tokenURL: String { "\(addresses.api)/\(SandboxSeed.tenantID)/oauth2/v2.0/token" }
    var security: String { "\(addresses.api)/v1.0/security/cases/ediscoveryCases/\(SandboxSeed.caseID)" }
    var compliance: String { "\(addresses.api)/beta/compliance/ediscovery/cases/\(SandboxSeed.caseID)" }
    var goals: String { "\(addresses.api)/beta/employeeExperience/goals/exportJobs" }
    var reports: String { "\(addresses.api)/v1.0/myorg/groups/\(SandboxSeed.groupID)/reports" }

    func send(
        _ method: HTTPMethod,
        _ url: String,
        token: String? = nil,
        headers: [(String, String)] = [],
        body: String? = nil
    ) async throws -> Reply {
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body {
            if !request.headers.contains(name: "Content-Type") {
                request.headers.add(name: "Content-Type", value: "application/json")
            }
            request.body = .bytes(ByteBuffer(string: body))
        }
        let response = try await client.execute(request, timeout: .minutes(5))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        return Reply(status: Int(response.status.code), headers: response.headers, body: bytes)
    }

    func get(_ url: String, token: String? = nil, headers: [(String, String)] = []) async throws -> Reply {
        try await send(.GET, url, token: token, headers: headers)
    }

    func post(_ url: String, token: String? = nil, _ body: JSONValue) async throws -> Reply {
        try await send(.POST, url, token: token, body: String(decoding: body.encoded(), as: UTF8.self))
    }

    func form(_ url: String, _ body: String, headers: [(String, String)] = []) async throws -> Reply {
        try await send(
            .POST,
            url,
            headers: headers + [("Content-Type", "application/x-www-form-urlencoded")],
            body: body
        )
    }

    func token(_ scope: String) async throws -> String {
        let reply = try await form(
            tokenURL,
            "grant_type=client_credentials&client_id=\(SandboxSeed.clientID)"
                + "&client_secret=\(SandboxSeed.clientSecret)&scope=\(scope)"
        )
        return try #require(reply.json["access_token"]?.string)
    }

    /// Lets every job that runs now come to its end.
    func finishJobs() { time.advance(by: .seconds(2)) }
}

struct Reply {
    var status: Int
    var headers: HTTPHeaders
    var body: ByteBuffer

    var json: JSONValue { (try? JSONValue(parsing: body.readableBytesView)) ?? .null }
    var text: String { String(buffer: body) }
    var location: String? { headers.first(name: "Location") }

    /// The operation id out of a parenthesised or slashed location.
    var operationID: String? {
        guard let location, let marker = location.firstRange(of: "/operations") else { return nil }
        return String(location[marker.upperBound...].filter { $0.isHexDigit || $0 == "-" })
    }
}

func withLab(
    _ settings: SandboxSettings = SandboxSettings(),
    _ body: (Lab) async throws -> Void
) async throws {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let clock = ManualTime(now: Timestamp(milliseconds: 1_780_000_000_120))
    let outcome: Result<Void, any Error>
    do {
        outcome = .success(
            try await SandboxBench.running(settings, clock: clock) { sandbox, time, addresses in
                try await body(Lab(sandbox: sandbox, time: time, addresses: addresses, client: client))
            }
        )
    } catch {
        outcome = .failure(error)
    }
    try await client.shutdown()
    try outcome.get()
}
