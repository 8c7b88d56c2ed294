/// The enumerations of eDiscovery exports, in the order of their numeric values (`Upstream-GraphEDiscovery, Request bodies` and
/// `Upstream-GraphEDiscovery, Operation`).
struct GraphEnumeration: Sendable {
    /// In numeric order; what stands behind `unknownFutureValue` is masked from clients that did not ask for it.
    var members: [String]
    var isFlags = false

    static let exportOptions = GraphEnumeration(
        members: [
            "originalFiles", "text", "pdfReplacement", "fileInfo", "tags", "unknownFutureValue", "splitSource",
            "includeFolderAndPath", "friendlyName", "condensePaths",
        ],
        isFlags: true
    )
    static let exportStructure = GraphEnumeration(members: ["none", "directory", "pst", "unknownFutureValue", "msg"])
    static let legacyExportOptions = GraphEnumeration(
        members: ["originalFiles", "text", "pdfReplacement", "fileInfo", "tags", "unknownFutureValue"],
        isFlags: true
    )
    static let legacyExportStructure = GraphEnumeration(members: ["none", "directory", "pst", "unknownFutureValue"])
    static let exportCriteria = GraphEnumeration(
        members: ["searchHits", "partiallyIndexed", "unknownFutureValue"],
        isFlags: true
    )
    static let exportLocation = GraphEnumeration(
        members: ["responsiveLocations", "nonresponsiveLocations", "unknownFutureValue"],
        isFlags: true
    )
    static let exportFormat = GraphEnumeration(members: ["pst", "msg", "eml", "unknownFutureValue"])
    static let additionalOptions = GraphEnumeration(
        members: [
            "none", "teamsAndYammerConversations", "cloudAttachments", "allDocumentVersions", "subfolderContents",
            "listAttachments", "unknownFutureValue", "htmlTranscripts", "advancedIndexing", "allItemsInFolder",
            "includeFolderAndPath", "condensePaths", "friendlyName", "splitSource", "optimizedPartitionSize",
            "includeReport",
        ],
        isFlags: true
    )
    static let version = GraphEnumeration(members: ["latest", "recent10", "recent100", "all", "unknownFutureValue"])
    static let caseAction = GraphEnumeration(
        members: [
            "contentExport", "applyTags", "convertToPdf", "index", "estimateStatistics", "addToReviewSet",
            "holdUpdate", "unknownFutureValue", "purgeData", "exportReport", "exportResult", "holdPolicySync",
        ]
    )
}

extension GraphEnumeration {
    /// The value as Graph spells it, flags joined by `,`; nil for anything that is not a value.
    func canonical(_ text: String) -> String? {
        let parts = isFlags ? text.split(separator: ",").map { $0.filter { $0 != " " } } : [text]
        let known = parts.map { part in members.first { $0.lowercased() == part.lowercased() } }
        guard !known.isEmpty, !known.contains(nil) else { return nil }
        return known.compactMap(\.self).joined(separator: ",")
    }

    /// The value as a client sees it that has not sent `Prefer: include-unknown-enum-members`.
    func masked(_ text: String) -> String {
        guard let mask = members.firstIndex(of: "unknownFutureValue") else { return text }
        let masked = text.split(separator: ",")
            .map { part in
                (members.firstIndex(of: String(part)) ?? 0) > mask ? "unknownFutureValue" : String(part)
            }
        return masked.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ",")
    }
}
