import Foundation
import Testing
import UpstreamHTTP
import Exports

/// Answers as Microsoft publishes them.
enum Fixture {
    static func text(_ name: String) throws -> String {
        let url = try #require(
            Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Fixtures"),
            "no fixture \(name)"
        )
        return String(decoding: try Data(contentsOf: url), as: UTF8.self)
    }

    static func response(_ status: Int, _ name: String, _ headers: [(name: String, value: String)] = []) throws
        -> UpstreamResponse
    {
        UpstreamResponse(
            status: status,
            headers: UpstreamHeaders(headers),
            body: Array(try text(name).utf8),
            receivedAt: Timestamp(milliseconds: 1_780_000_000_000)
        )
    }
}
