/// The `Content-Disposition` of a download (RFC 6266), and the file name in it.
enum ContentDisposition {
    /// The most bytes of UTF-8 in a file name.
    static let longestName = 150
    /// The name of a file whose own name has no valid character.
    static let nameOfLastResort = "download"

    /// `attachment` with the file's name in both forms: ASCII for old readers, UTF-8 (RFC 8187) for all others.
    static func attachment(named name: String) -> String {
        let name = safeName(name)
        return "attachment; filename=\"\(asciiName(name))\"; filename*=UTF-8''\(extendedValue(name))"
    }

    /// A sanitized name: one file in the reader's own folder on every system, which shows its type.
    ///
    /// - Path separators, and characters that Windows forbids in names, become `_`.
    /// - Control characters, line separators and invisible formatting characters (among them those that turn the
    ///   direction of writing, so that `exe.csv` is shown for `vsc.exe`) are left out.
    /// - Points and spaces at either end are removed: they make hidden files on Unix, and Windows drops them.
    /// - `CON`, `NUL`, `COM1` and similar names, with any extension, get a `_` in front.
    /// - At most 150 bytes; the extension stays.
    static func safeName(_ name: String) -> String {
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

    /// The name with `_` for each character that is not plain ASCII; `%` too, which some readers decode
    /// (RFC 6266, appendix D).
    private static func asciiName(_ name: String) -> String {
        String(name.map { $0.isASCII && $0 != "%" ? $0 : "_" })
    }

    /// The name as `value-chars` (RFC 8187, 3.2.1).
    private static func extendedValue(_ name: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var value: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: value.append(byte)
            case _ where "!#$&+-.^_`|~".utf8.contains(byte): value.append(byte)
            default: value += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
        }
        return String(decoding: value, as: UTF8.self)
    }
}
