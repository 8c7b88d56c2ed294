import HTTPFields
import Exports

/// Makes the links in the answer to one request. They always lead to the gateway, never to an upstream.
///
/// They are absolute where it is known how clients reach the gateway. Otherwise they are relative to the path of the request (RFC
/// 3986, 4.2 and 5.2), because a proxy may serve the gateway below a prefix that only the proxy knows.
struct Links: Sendable {
    /// The address before `/exports`, with scheme and host; nil when it is not known.
    let base: String?
    /// The segments of the request's path without the last one, unchanged. Relative references begin there.
    private let folder: [Substring]

    /// - Parameters:
    ///   - base: See `PublicAddress.base`.
    ///   - path: The request's path, step by step.
    init(base: String?, path: [Substring]) {
        self.base = base
        folder = path.dropLast()
    }

    /// What the links begin with: those of two requests with the same origin are the same.
    var origin: String { base ?? folder.joined(separator: "/") }

    /// The export.
    func export(_ id: ExportID) -> String { reference(to: ["exports", id.description]) }

    /// A file of an export.
    func file(_ fileID: String, of id: ExportID) -> String {
        reference(to: ["exports", id.description, "files", PercentEncoding.encode(fileID)])
    }

    /// What is downloaded with a ticket.
    func ticket(_ text: String) -> String { reference(to: ["tickets", text]) }

    /// The webhook.
    func webhook(_ id: ExportID) -> String { reference(to: ["webhooks", id.description]) }

    /// The export as a long-running operation of Azure's kind; nil where no absolute address is known, because Azure's clients do not
    /// follow relative ones.
    func operation(of id: ExportID) -> String? { base.map { "\($0)/exports/\(id)/operation" } }

    private func reference(to steps: [String]) -> String {
        if let base { return "\(base)/" + steps.joined(separator: "/") }
        var common = 0
        while common < min(folder.count, steps.count - 1), folder[common] == steps[common] { common += 1 }
        let up = repeatElement("..", count: folder.count - common)
        return (up + steps[common...]).joined(separator: "/")
    }
}
