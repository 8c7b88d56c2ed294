import Exports
public import JSON
import UpstreamHTTP

/// The report as a text for people, and as JSON. The JSON's form has a number, which changes when a member changes its meaning.
extension LiveReport {
    private static let format: Int64 = 1

    /// Lines for people; what differs comes first.
    public var text: String {
        var lines = ["Live check, format \(Self.format)"]
        for (number, export) in exports.enumerated() {
            lines.append("")
            lines.append("Export \(number + 1), \(export.provider.rawValue): \(export.outcome.text)")
            lines += export.lines
        }
        lines.append("")
        lines.append(
            "Summary: " + Finding.Outcome.allCases.map { "\(count($0)) \($0.rawValue)" }.joined(separator: ", ")
        )
        return lines.joined(separator: "\n")
    }

    /// The same as JSON.
    public var json: JSONValue {
        .object([
            "format": .integer(Self.format),
            "exports": .array(exports.map(\.json)),
            "summary": .object(
                Dictionary(
                    uniqueKeysWithValues: Finding.Outcome.allCases.map { ($0.rawValue, .integer(Int64(count($0)))) }
                )
            ),
        ])
    }
}

extension LiveReport.Export {
    fileprivate var lines: [String] {
        var lines = calls.map(\.line) + [downloadLine]
        let order: [Finding.Outcome] = [.differs, .decided, .asDocumented, .notObserved]
        for outcome in order {
            let found = findings.filter { $0.outcome == outcome }
            if !found.isEmpty { lines += ["  \(outcome.rawValue):"] + found.map(\.line) }
        }
        return lines
    }

    private var downloadLine: String {
        "  download: \(outcome.bytesRead) bytes read\(outcome.readToEnd ? ", which is all" : ""); \(outcome.part.rawValue)"
    }

    fileprivate var json: JSONValue {
        .object([
            "provider": .string(provider.rawValue),
            "end": .string(outcome.text),
            "isComplete": .bool(isComplete),
            "mayRun": .bool(outcome.mayRun),
            "polls": .integer(Int64(outcome.polls)),
            "download": .object([
                "bytesRead": .integer(outcome.bytesRead), "readToEnd": .bool(outcome.readToEnd),
                "part": .string(outcome.part.rawValue),
            ]),
            "calls": .array(calls.map(\.json)),
            "findings": .array(findings.map(\.json)),
        ])
    }
}

extension LiveReport.Calls {
    fileprivate var line: String {
        let came = statuses.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
        var line = "  \(operation): " + (came.isEmpty ? "no answers" : came)
        if !otherMembers.isEmpty { line += "; members of no article: \(otherMembers.joined(separator: ", "))" }
        if unnamedMembers > 0 { line += "; others whose names are not shown: \(unnamedMembers)" }
        return line
    }

    fileprivate var json: JSONValue {
        .object([
            "operation": .string(operation),
            "statuses": .object(
                Dictionary(uniqueKeysWithValues: statuses.map { (String($0.key), .integer(Int64($0.value))) })
            ),
            "otherMembers": .array(otherMembers.map { .string($0) }),
            "unnamedMembers": .integer(Int64(unnamedMembers)),
        ])
    }
}

extension Finding {
    fileprivate var line: String {
        var line = "    \(operation): \(claim)"
        if outcome == .decided { line += isRight == true ? " Yes." : " No." }
        if !observed.isEmpty { line += " Observed: \(observed)." }
        if let setting { line += " Set \(setting)." }
        return line + " [\(citation), \(standing.rawValue)]"
    }

    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "operation": .string(operation), "outcome": .string(outcome.rawValue),
            "standing": .string(standing.rawValue), "claim": .string(claim), "source": .string(citation.description),
        ]
        members["isRight"] = isRight.map { .bool($0) }
        members["observed"] = observed.isEmpty ? nil : .string(observed)
        members["setting"] = setting.map { .string($0) }
        return .object(members)
    }
}
