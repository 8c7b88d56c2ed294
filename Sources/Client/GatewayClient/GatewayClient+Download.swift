import Foundation
import HTTPFields

extension GatewayClient {
    /// Downloads files of an export into a directory, several at a time. Each is `NAME.export-gateway-part` until it is whole.
    ///
    /// The names are those of the export's files, sanitized, and each there once. A file that is there already, with the SHA-256 of the
    /// record, is not fetched again; any other one is replaced only with `replaces`. The first error cancels the other downloads, which go
    /// on in another run.
    ///
    /// - Parameters:
    ///   - only: The ids of the files; nil for all.
    ///   - onEvent: Called from several threads at a time, which it may block.
    public func download(
        _ export: GatewayExport,
        only: Set<String>? = nil,
        to directory: String,
        replaces: Bool = false,
        onEvent: @escaping @Sendable (GatewayFile, DownloadEvent) -> Void
    ) async throws -> [DownloadedFile] {
        let names = FileName.distinct(export.files.map { PartName.avoided(by: FileName.safe($0.name)) })
        let wanted = zip(export.files, names).filter { only?.contains($0.0.id) ?? true }
        return try await withThrowingTaskGroup(of: (Int, DownloadedFile).self) { group in
            var done: [Int: DownloadedFile] = [:]
            for (index, (file, name)) in wanted.enumerated() {
                if index >= max(1, settings.parallelDownloads), let (place, file) = try await group.next() {
                    done[place] = file
                }
                group.addTask {
                    let path = (directory.hasSuffix("/") ? directory : directory + "/") + name
                    return (
                        index,
                        try await download(file, of: export, to: path, replaces: replaces) { onEvent(file, $0) }
                    )
                }
            }
            for try await (place, file) in group { done[place] = file }
            return wanted.indices.compactMap { done[$0] }
        }
    }

    /// Downloads one file to `path`.
    public func download(
        _ file: GatewayFile,
        of export: GatewayExport,
        to path: String,
        replaces: Bool = false,
        onEvent: @escaping @Sendable (DownloadEvent) -> Void
    ) async throws -> DownloadedFile {
        if let existing = try await existing(file, at: path, replaces: replaces) {
            onEvent(.completed(existing))
            return existing
        }
        let part = try await disk.run { try PartFile(path: path) }
        let left = try await disk.run(cancellable: { try part.resume(export: export.id, file: file.id, $0) })
        var download = FileDownload(
            client: self,
            export: export.id,
            file: file,
            part: part,
            left: left,
            onEvent: onEvent
        )
        let done = try await download.run()
        onEvent(.completed(done))
        return done
    }

    /// The file at `path`, where it is the wanted one already.
    private func existing(_ file: GatewayFile, at path: String, replaces: Bool) async throws -> DownloadedFile? {
        let found = try await disk.run(cancellable: { try FileDigest.of(path, unless: file.sha256 == nil, $0) })
        guard let found, !replaces || found.sha256 == file.sha256 else { return nil }
        guard let sha256 = file.sha256, found.sha256 == sha256 else {
            throw GatewayClientError.fileSystem(
                "\(path) is there already, and it is not known to be this file: it is not replaced."
            )
        }
        return DownloadedFile(file: file, path: path, bytes: found.bytes, sha256: sha256, fetched: 0, check: .digest)
    }
}
