public import Exports

/// An upstream's words for the state of a job, and what they mean here.
public protocol StatusTable {
    /// The meaning of each word, which stands in lower case.
    static var table: [String: ExportStatus] { get }
}

extension StatusTable {
    /// The meaning of a word in any case of its letters; `unknown` for any value never seen before.
    public static func status(_ text: String) -> ExportStatus { table[text.lowercased()] ?? .unknown }
}
