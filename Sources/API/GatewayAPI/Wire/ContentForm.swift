import HTTPFields
import Exports

/// In which form a client wants the content of an export: as it is, or as an archive (RFC 9110, 12.5.1).
enum ContentForm: Sendable, Hashable {
    /// The bytes of the only file.
    case file
    /// All files in one ZIP.
    case archive

    /// What an `Accept` field comes to.
    ///
    /// An archive is for those who name `application/zip`: what takes everything wants the file, as without the field. Where
    /// there is one file, its bytes and an archive of it are weighed against each other; with equal weight, the archive
    /// wins over what stands in a range (`*/*`), and the file where the client named its type too. Where there are
    /// several, only the archive is to be had.
    init(accept field: String?, files: [ExportFile]) {
        let ranges = FieldList.elements(of: field ?? "")
            .map { element in
                let parts = FieldParameters(element)
                return (type: parts.value.lowercased(), weight: QualityValue.lenient(parts["q"]))
            }
        func weight(_ type: String) -> Int? { ranges.first { $0.type == type }?.weight }
        let archive = weight(MediaType.zip.rawValue) ?? 0
        guard archive > 0 else {
            self = .file
            return
        }
        guard files.count == 1 else {
            self = .archive
            return
        }
        let ownType = files[0].contentType.map { FieldParameters($0).value.lowercased() }
        let ownName = ownType == MediaType.zip.rawValue ? nil : ownType
        if let named = weight("application/octet-stream") ?? ownName.flatMap(weight) {
            self = archive > named ? .archive : .file
        } else {
            let covered = [ownName.map { $0.prefix { $0 != "/" } + "/*" }, "application/*", "*/*"]
                .compactMap { $0.flatMap(weight) }
            self = archive >= covered.first ?? 0 ? .archive : .file
        }
    }
}
