import HTTPFields
import Exports

/// The validators of a file's representations (RFC 9110, 8.8.3).
///
/// A tag is made from the export's and the file's id, from what the ledger has of the bytes (SHA-256, otherwise the size), and
/// from the upstream's own strong validator if it is known. Other changes of the export (its revision) do not change it.
///
/// The tag of the plain bytes is strong when a digest or the upstream guarantees them. It contains the upstream's validator. So
/// a client that comes back with `If-Range` sends that along, and the upstream itself decides whether the file is still the
/// same, also after a restart and with any replica. The tag of a coding is always weak, because no encoder guarantees
/// the same bytes twice.
extension EntityTag {
    /// The longest validator of an upstream that a tag contains.
    private static let longestValidator = 96

    /// The tag of `file` in `coding`.
    init(of file: ExportFile, in export: ExportID, coding: ContentCoding, validator: String? = nil) {
        let names = TagNames(file, export)
        switch coding {
        case .identity:
            let carried = validator.flatMap(Self.carried)
            self.init(
                opaque: names.base + (carried.map { ".v" + $0 } ?? ""),
                isWeak: file.sha256 == nil && carried == nil
            )
        case .gzip, .zstd: self.init(opaque: names.base + "-" + coding.rawValue, isWeak: true)
        }
    }

    /// The upstream's validator in the tag of `file`; nil where there is none, or it is the tag of another file.
    func validator(for file: ExportFile, in export: ExportID) -> String? {
        guard opaque.hasPrefix(TagNames(file, export).stem), let point = opaque.lastIndex(of: ".") else { return nil }
        let carried = opaque[opaque.index(after: point)...]
        guard carried.first == "v" else { return nil }
        return Self.restored(carried.dropFirst())
    }

    /// The form in which a strong entity tag of an upstream is contained in one of ours: without its quotes, and with `~` and two
    /// hexadecimal digits for everything but letters and digits. Nil for anything else, and for one that is too long.
    private static func carried(_ validator: String) -> String? {
        let bytes = Array(validator.utf8)
        guard (3...longestValidator).contains(bytes.count), bytes.first == UInt8(ascii: "\""),
            bytes.last == UInt8(ascii: "\""), bytes.dropFirst().dropLast().allSatisfy(isOpaque)
        else { return nil }
        return escaped(bytes.dropFirst().dropLast(), keeping: "")
    }

    /// The validator, its quotes around it; nil for a text that `carried` does not make.
    private static func restored(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "~") {
                guard let code = UInt8(Substring(rest.prefix(2)), radix: 16), rest.count >= 2 else { return nil }
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        let validator = "\"" + String(decoding: bytes, as: UTF8.self) + "\""
        return carried(validator) == String(text) ? validator : nil
    }

    fileprivate static func escaped(_ bytes: some Sequence<UInt8>, keeping kept: String) -> String {
        bytes.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: String(Unicode.Scalar(byte))
            case _ where kept.utf8.contains(byte): String(Unicode.Scalar(byte))
            default: "~" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        .joined()
    }
}

/// The parts of a tag that the record alone makes.
struct TagNames: Sendable {
    /// The beginning of every tag of the file, whatever was known of it at the time.
    let stem: String
    /// The stem with the digest or the size, as far as they are known now.
    let base: String

    init(_ file: ExportFile, _ export: ExportID) {
        func plain(_ text: String) -> String { EntityTag.escaped(text.utf8, keeping: "-_") }
        let name = export.description + "." + plain(file.id)
        stem = name + "."
        if let digest = file.sha256 {
            base = stem + plain(digest).prefix(32)
        } else if let size = file.size {
            base = stem + String(size)
        } else {
            base = name
        }
    }
}
