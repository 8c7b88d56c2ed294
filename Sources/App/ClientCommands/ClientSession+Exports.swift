import Exports
import GatewayClient

extension ClientSession {
    /// Waits for an export's end, and for its files where they are wanted, and shows how it goes on.
    func wait(
        for id: String,
        wantsFiles: Bool = false,
        from known: (export: GatewayExport, etag: String?)? = nil
    ) async throws -> GatewayExport {
        let display = WaitDisplay(terminal, time: client.time)
        return try await display.during { [client] in
            try await client.wait(for: id, wantsFiles: wantsFiles, from: known) { display.note($0) }
        }
    }

    /// Ends a command with an export that has ended: downloads what there is, where that is wanted, and prints it.
    func finish(
        _ export: GatewayExport,
        into directory: String?,
        only: Set<String>? = nil,
        _ options: DownloadOptions,
        _ output: OutputFormat
    ) async throws -> Ending {
        guard let directory, export.hasResult else {
            try ExportReport.print(export, output)
            return Ending(of: export)
        }
        guard let reason = Ending.withoutFiles(export) else {
            return try await downloaded(export, into: directory, only, options, output)
        }
        terminal.say(reason.text)
        try ExportReport.print(export, output)
        return reason.ending
    }

    private func downloaded(
        _ export: GatewayExport,
        into directory: String,
        _ only: Set<String>?,
        _ options: DownloadOptions,
        _ output: OutputFormat
    ) async throws -> Ending {
        let files = try await download(export, only, into: directory, replaces: options.replace)
        try ExportReport.print(export, files, output)
        return Ending(of: export)
    }

    private func download(
        _ export: GatewayExport,
        _ only: Set<String>?,
        into directory: String,
        replaces: Bool
    ) async throws -> [DownloadedFile] {
        if let missing = only?.subtracting(export.files.map(\.id)).min() {
            throw GatewayClientError.fileSystem(
                "The export has no file \(missing): there are \(export.files.map(\.id).joined(separator: ", "))."
            )
        }
        if let reason = Directories.make(directory, mode: 0o777) {
            throw GatewayClientError.fileSystem("\(directory) cannot be made: \(reason)")
        }
        let display = DownloadDisplay(terminal, time: client.time)
        return try await display.during { [client] in
            try await client.download(export, only: only, to: directory, replaces: replaces) { display.note($0, $1) }
        }
    }
}
