import AsyncHTTPClient
import Exports
import Foundation
import JSON
import NIOCore
import NIOHTTP1

/// An answer of the gateway.
struct Answer: Sendable, CustomStringConvertible {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    var json: JSONValue { (try? JSONValue(parsing: Data(body))) ?? .null }
    var description: String { "\(status): \(String(decoding: body.prefix(2000), as: UTF8.self))" }
}

struct Unexpected: Error {
    var answer: Answer
}

extension World {
    func call(
        _ method: String,
        _ path: String,
        json: JSONValue? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: path.hasPrefix("http") ? path : gateway + path)
        request.method = .RAW(value: method)
        request.headers.add(name: "authorization", value: "Bearer \(Self.apiKey)")
        for header in headers { request.headers.add(name: header.0, value: header.1) }
        if let json {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: json.encoded()))
        }
        // A client of its own per call: the shared one would decode gzip.
        let client = HTTPClient(configuration: .init(decompression: .disabled))
        do {
            let response = try await client.execute(request, timeout: .minutes(5))
            let body = try await response.body.collect(upTo: 64 << 20)
            var fields: [String: String] = [:]
            for header in response.headers { fields[header.name.lowercased()] = header.value }
            try await client.shutdown()
            return Answer(status: Int(response.status.code), headers: fields, body: Array(buffer: body))
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    /// Creates an export and gives its JSON; anything but 202 is an error.
    func create(_ body: JSONValue, authorization: String? = nil) async throws -> JSONValue {
        let headers = authorization.map { [("upstream-authorization", "Bearer \($0)")] } ?? []
        let answer = try await call("POST", "/exports", json: body, headers: headers)
        guard answer.status == 202 else { throw Unexpected(answer: answer) }
        return answer.json
    }

    /// Waits until the export has ended.
    func finished(_ export: JSONValue) async throws -> JSONValue {
        var current = export
        while ["notStarted", "running"].contains(current["status"]?.string ?? "") {
            let answer = try await call("GET", "/exports/\(export.id)", headers: [("prefer", "wait=5")])
            guard answer.status == 200 else { throw Unexpected(answer: answer) }
            current = answer.json
        }
        return current
    }

    /// Returns when the deliveries of a file have been stored as ended, `count` of them: only then does the gateway know what
    /// they found.
    func deliveriesHaveEnded(of file: JSONValue, _ export: JSONValue, count: Int) async throws {
        var outcomes: [String?] = []
        while outcomes.count < count || outcomes.contains("underWay") {
            let rows = try await call("GET", "/exports/\(export.id)/deliveries").json["value"]?.array ?? []
            outcomes = rows.filter { $0["fileId"]?.string == file.id }.map { $0["outcome"]?.string }
        }
    }
}

extension JSONValue {
    var id: String { self["id"]?.string ?? "" }
    var text: String { String(decoding: encoded(), as: UTF8.self) }
}
