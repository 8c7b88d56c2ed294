/// The subject of a certificate as an operator writes it: compared letter for letter with what OpenSSL prints as RFC 2253,
/// so that another spelling would be nobody's, and nobody would say so.
enum CertificateSubject {
    /// The names of attributes that are often written in small letters.
    private static let names: Set = ["CN", "O", "OU", "C", "L", "ST", "DC", "UID"]

    /// Why a text can be no certificate's subject, and the form that can; nil where it is in that form.
    static func refusal(of text: String) -> String? {
        guard let form = form(of: text) else {
            return "must be as `openssl x509 -noout -subject -nameopt RFC2253` prints it, such as CN=reports,O=Contoso"
        }
        return form == text
            ? nil : "must be written \(form), as `openssl x509 -noout -subject -nameopt RFC2253` prints it"
    }

    /// The text without blanks around its separators; nil where it is no list of names and values.
    private static func form(of text: String) -> String? {
        var form = ""
        for (attribute, separator) in attributes(text) {
            let parts = attribute.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            let name = trimmed(parts[0])
            guard !name.isEmpty, name.utf8.allSatisfy(\.isNameByte) else { return nil }
            let capitals = name.uppercased()
            form += (names.contains(capitals) ? capitals : String(name)) + "=" + trimmed(parts[1]) + separator
        }
        return form
    }

    /// The text in pieces, each with the separator behind it; what follows a backslash separates nothing.
    private static func attributes(_ text: String) -> [(Substring, String)] {
        var attributes: [(Substring, String)] = []
        var (start, isEscaped) = (text.startIndex, false)
        for index in text.indices {
            let character = text[index]
            if !isEscaped, character == "," || character == "+" {
                attributes.append((text[start..<index], String(character)))
                start = text.index(after: index)
            }
            isEscaped = !isEscaped && character == "\\"
        }
        attributes.append((text[start...], ""))
        return attributes
    }

    /// Without the blanks at both ends; an escaped one belongs to the value.
    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " }
        while text.last == " " {
            let rest = text.dropLast()
            let backslashes = rest.reversed().prefix { $0 == "\\" }.count
            guard backslashes.isMultiple(of: 2) else { break }
            text = rest
        }
        return text
    }
}
