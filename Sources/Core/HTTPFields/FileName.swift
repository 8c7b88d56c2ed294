/// Names of files as upstreams give them, made fit for a reader's own folder.
public enum FileName {
    /// The most bytes of UTF-8 in a file name.
    public static let longestName = 150
    /// The name of a file whose own name has no valid character.
    static let nameOfLastResort = "download"

    /// A sanitized name: one file in the reader's own folder on every system, which shows its type.
    ///
    /// - Path separators, and characters that Windows forbids in names, become `_`.
    /// - Control characters, line separators and invisible formatting characters (among them those that turn the
    ///   direction of writing, so that `exe.csv` is shown for `vsc.exe`) are left out.
    /// - Points and spaces at either end are removed: they make hidden files on Unix, and Windows drops them.
    /// - `CON`, `NUL`, `COM1` and similar names, with any extension, get a `_` in front.
    /// - At most 150 bytes; the extension stays.
    public static func safe(_ name: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            switch scalar {
            case "/", "\\", ":", "*", "?", "\"", "<", ">", "|":
                scalars.append("_")
            default:
                if !isInvisible(scalar) { scalars.append(scalar) }
            }
        }
        let trimmed = trimmed(Substring(String(scalars)))
        guard !trimmed.isEmpty else { return nameOfLastResort }
        // After shortening, the name may be that of a Windows device.
        let short = shortened(String(trimmed))
        return isReserved(Substring(short)) ? shortened("_" + short) : short
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }

    /// The name without points and white space at its ends.
    private static func trimmed(_ name: Substring) -> Substring {
        func isCut(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar.properties.isWhitespace }
        var scalars = name.unicodeScalars
        while let first = scalars.first, isCut(first) { scalars.removeFirst() }
        while let last = scalars.last, isCut(last) { scalars.removeLast() }
        return Substring(scalars)
    }

    /// Whether Windows treats the name as a device, whatever the extension.
    private static func isReserved(_ name: Substring) -> Bool {
        // Compared by Unicode scalars: for Swift, a dot with a combining accent is one other character; for Windows it is a dot.
        let stem = trimmed(Substring(name.unicodeScalars.prefix { $0 != "." })).lowercased()
        if ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(stem) { return true }
        guard stem.hasPrefix("com") || stem.hasPrefix("lpt"), stem.count == 4 else { return false }
        return stem.last.map { "0123456789¹²³".contains($0) } ?? false
    }

    /// The name, shortened before its extension to `longestName` bytes, and never inside a character.
    private static func shortened(_ name: String) -> String {
        guard name.utf8.count > longestName else { return name }
        var ending: Substring = ""
        if let point = name.lastIndex(of: "."), name[point...].utf8.count <= 20 { ending = name[point...] }
        let available = longestName - ending.utf8.count
        var stem = ""
        for character in name.dropLast(ending.count) {
            let text = String(character)
            guard stem.utf8.count + text.utf8.count <= available else { break }
            stem += text
        }
        let whole = trimmed(Substring(stem))
        // Nothing is left if the first character alone is too long, such as a letter with a hundred accents.
        return whole.isEmpty ? nameOfLastResort + ending : String(whole + ending)
    }

    /// A name for each file of a folder, in order: sanitized, and each there once. The same names give the same answer.
    ///
    /// Where two names would be equal in a case-insensitive file system, the later one gets ` (2)` before its extension, or the
    /// next free number.
    public static func distinct(_ names: [String]) -> [String] {
        var taken: Set<String> = []
        var next: [String: Int] = [:]
        return names.map { name in
            let name = safe(name)
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
        // `safe` has removed dots at the beginning, so the part before the last dot is never empty.
        guard let point = name.lastIndex(of: ".") else { return "\(name) (\(number))" }
        return "\(name[..<point]) (\(number))\(name[point...])"
    }
}
