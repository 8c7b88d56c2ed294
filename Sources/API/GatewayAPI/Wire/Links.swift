import HTTPFields
import Exports

/// The addresses in the answer to one request: always ours, never an upstream's.
///
/// They are absolute where it is known how clients reach the gateway, else relative to the path of the request (RFC 3986, 4.2
/// and 5.2): a proxy may serve the gateway below a prefix that it alone knows, and a relative reference survives that.
struct Links: Sendable {
    /// What stands in front of `/exports`, scheme and host included; nil when it is not known.
    let base: String?
    /// The steps of the request's path but the last one, as they came: what a relative reference begins at.
    private let folder: [Substring]

    /// - Parameters:
    ///   - base: See `PublicAddress.base`.
    ///   - path: The request's path, step by step.
    init(base: String?, path: [Substring]) {
        self.base = base
        folder = path.dropLast()
    }

    /// The export.
    func export(_ id: ExportID) -> String { reference(to: ["exports", id.description]) }

    /// A file of an export.
    func file(_ fileID: String, of id: ExportID) -> String {
        reference(to: ["exports", id.description, "files", PercentEncoding.encode(fileID)])
    }

    /// The export as an operation of Azure's kind; nil where no absolute address is known, because Azure's clients follow nothing
    /// else.
    func operation(of id: ExportID) -> String? { base.map { "\($0)/exports/\(id)/operation" } }

    private func reference(to steps: [String]) -> String {
        if let base { return "\(base)/" + steps.joined(separator: "/") }
        var common = 0
        while common < min(folder.count, steps.count - 1), folder[common] == steps[common] { common += 1 }
        let up = repeatElement("..", count: folder.count - common)
        return (up + steps[common...]).joined(separator: "/")
    }
}
