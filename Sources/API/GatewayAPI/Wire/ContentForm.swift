import HTTPFields
import Exports

/// The form in which a client requests the content of an export: the file itself, or an archive (RFC 9110, 12.5.1).
enum ContentForm: Sendable, Hashable {
    /// The bytes of the only file.
    case file
    /// All files in one ZIP.
    case archive

    /// The form that an `Accept` field asks for.
    ///
    /// Only a client that names `application/zip` gets an archive: `*/*` means the file, like no field. Where there is one
    /// file, the weights of the file's type and of the archive are compared. With equal weights, the archive wins over a range
    /// (`*/*`), and the file wins where the client named its type too. Where there are several files, only the archive is
    /// served.
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
