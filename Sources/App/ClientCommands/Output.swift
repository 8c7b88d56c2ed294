import Foundation
import GatewayServer
import JSON
import ProgramSupport

/// Standard output: what a command was asked for, and nothing else.
enum Output {
    /// Nobody reads it any more, or the disk behind it is full.
    struct Unwritable: Error, CustomStringConvertible {
        var description: String { "Standard output cannot be written." }
    }

    static func print(_ text: String) throws(Unwritable) {
        guard StandardStreams.write(text + "\n", to: STDOUT_FILENO) else { throw Unwritable() }
    }

    /// One JSON text, with sorted members.
    static func print(_ json: JSONValue) throws(Unwritable) {
        try print(String(decoding: json.encodedBytes(), as: UTF8.self))
    }

    /// Rows below a head, each column as wide as its widest cell.
    static func table(_ head: [String], _ rows: [[String]]) -> String {
        let rows = [head] + rows.map { $0.map { TerminalText.printable($0) } }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated()
                .map { $1 + String(repeating: " ", count: $0 == head.count - 1 ? 0 : widths[$0] - $1.count) }
                .joined(separator: "  ")
        }
        return lines.joined(separator: "\n")
    }

    /// Names and values below each other, those without a value left out.
    static func details(_ pairs: [(name: String, value: String?)]) -> String {
        let present = pairs.compactMap { pair in pair.value.map { (pair.name, TerminalText.printable($0)) } }
        let width = present.map(\.0.count).max() ?? 0
        return present.map { $0 + String(repeating: " ", count: width - $0.count) + "  " + $1 }.joined(separator: "\n")
    }
}
