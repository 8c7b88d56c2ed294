import Audit
import Exports

/// A message as RFC 5424 writes it, in the frame of RFC 5425: its length in bytes, a space, and the message.
///
/// The text is the row, or the head, as one JSON object. There is no structured data: its names would need a number of an enterprise.
struct SyslogMessage: Sendable {
    /// "log audit" (RFC 5424, 6.2.1).
    private static let facility = 13
    /// That the text is UTF-8 (RFC 5424, 6.4).
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// How urgent a message is (RFC 5424, 6.2.1).
    private enum Severity: Int {
        case warning = 4
        case notice = 5
        case informational = 6
    }

    /// Who sends messages.
    struct Sender: Sendable {
        var hostName: String
        var appName: String
        var process: String

        /// Takes names; what a message cannot hold becomes `-`.
        init(hostName: String, appName: String, process: String) {
            self.hostName = Self.name(hostName, atMost: 255)
            self.appName = Self.name(appName, atMost: 48)
            self.process = Self.name(process, atMost: 128)
        }

        private static func name(_ text: String, atMost length: Int) -> String {
            let isGood = !text.isEmpty && text.utf8.count <= length && text.utf8.allSatisfy { (33...126).contains($0) }
            return isGood ? text : "-"
        }
    }

    /// The frame with the message.
    let frame: [UInt8]

    init(_ row: AuditRow, from sender: Sender) {
        let severity: Severity =
            switch (row.entry.action, row.entry.outcome) {
            case (.reject, _), (_, .refused), (_, .failed): .warning
            default: .notice
            }
        self.init(severity, row.entry.time, row.entry.action.rawValue, row.line, sender)
    }

    init(_ head: AuditHead, from sender: Sender) {
        self.init(.informational, head.time, "head", head.line, sender)
    }

    private init(_ severity: Severity, _ time: Timestamp, _ kind: String, _ text: [UInt8], _ sender: Sender) {
        let priority = Self.facility * 8 + severity.rawValue
        let header =
            "<\(priority)>1 \(time) \(sender.hostName) \(sender.appName) \(sender.process) \(kind) - "
        let message = Array(header.utf8) + Self.mark + text
        frame = Array("\(message.count) ".utf8) + message
    }
}
