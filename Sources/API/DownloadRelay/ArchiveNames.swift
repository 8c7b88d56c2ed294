import Exports

/// The names of an export's files in an archive: safe, and each of them once.
enum ArchiveNames {
    /// A name for each file, in order; the same files give the same names.
    ///
    /// Each is made safe as that of a download is (``ContentDisposition/safeName(_:)``), so that it is one file in the
    /// folder that is unpacked into. Where two would be the same to a file system that takes upper and lower case for
    /// equal, the later one gets ` (2)` in front of its extension, or the next number that is free.
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
        // A point at the beginning has been cut off by `safeName`: what is before the last one is never empty.
        guard let point = name.lastIndex(of: ".") else { return "\(name) (\(number))" }
        return "\(name[..<point]) (\(number))\(name[point...])"
    }
}
