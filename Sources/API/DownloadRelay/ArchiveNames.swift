import Exports

/// The names of an export's files in an archive: sanitized and unique.
enum ArchiveNames {
    /// A name for each file, in order. The same files give the same names.
    ///
    /// Each name is sanitized like that of a download (``ContentDisposition/safeName(_:)``), so that it is one file in the
    /// folder that the archive is unpacked into. Where two names would be equal in a case-insensitive file system, the later
    /// one gets ` (2)` before its extension, or the next free number.
    static func of(_ files: [ExportFile]) -> [String] {
        var taken: Set<String> = []
        var next: [String: Int] = [:]
        return files.map { file in
            let name = ContentDisposition.safeName(file.name)
            let key = name.lowercased()
            var unique = name
            while !taken.insert(unique.lowercased()).inserted {
                let number = next[key, default: 2]
                next[key] = number + 1
                unique = numbered(name, number)
            }
            return unique
        }
    }

    private static func numbered(_ name: String, _ number: Int) -> String {
        // `safeName` has removed dots at the beginning, so the part before the last dot is never empty.
        guard let point = name.lastIndex(of: ".") else { return "\(name) (\(number))" }
        return "\(name[..<point]) (\(number))\(name[point...])"
    }
}
