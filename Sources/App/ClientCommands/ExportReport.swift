import GatewayClient
import JSON

/// What a command says of an export.
enum ExportReport {
    static func print(_ export: GatewayExport, _ format: OutputFormat) throws {
        switch format {
        case .json: try Output.print(export.json)
        case .table: try Output.print(details(export))
        }
    }

    /// The export and the files that were downloaded.
    static func print(_ export: GatewayExport, _ files: [DownloadedFile], _ format: OutputFormat) throws {
        switch format {
        case .json:
            try Output.print(.object(["export": export.json, "downloads": .array(files.map(document))]))
        case .table:
            try Output.print(details(export))
            if !files.isEmpty {
                let rows = files.map { [$0.path, "\($0.bytes)", $0.sha256, $0.check.rawValue] }
                try Output.print("\n" + Output.table(["path", "bytes", "sha256", "check"], rows))
            }
        }
    }

    private static func document(_ file: DownloadedFile) -> JSONValue {
        [
            "id": .string(file.file.id), "name": .string(file.file.name), "path": .string(file.path),
            "bytes": .integer(file.bytes), "sha256": .string(file.sha256), "fetchedBytes": .integer(file.fetched),
            "check": .string(file.check.rawValue),
        ]
    }

    private static func details(_ export: GatewayExport) -> String {
        let pairs: [(name: String, value: String?)] = [
            ("id", export.id), ("name", export.name), ("provider", export.provider), ("connection", export.connection),
            ("status", export.status), ("percent", export.percentComplete.map { "\($0)" }),
            ("created", export.createdAt), ("by", export.json["createdBy"]?.string), ("ended", export.completedAt),
            ("expires", export.json["expiresAt"]?.string), ("cancellation", export.cancellation),
            ("destination", export.destination), ("error", export.error.map { "\($0)" }),
            ("notice", export.notice.map { "\($0)" }),
        ]
        let files = export.files.map { [$0.id, $0.name, $0.size.map { "\($0)" } ?? "", $0.sha256 ?? ""] }
        let table = files.isEmpty ? "" : "\n\n" + Output.table(["file", "name", "bytes", "sha256"], files)
        return Output.details(pairs) + table
    }
}
