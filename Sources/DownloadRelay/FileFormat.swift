import Exports

/// How a file has to begin, by its name or its type: a page of words in the place of an archive is found before its first
/// byte goes out.
enum FileFormat: String, Sendable {
    /// APPNOTE.TXT 4.3.7; an empty archive has nothing but its end (4.3.16).
    case zip = "ZIP archive"
    /// ISO/IEC 29500-2: a ZIP archive. With a password or a protecting label: MS-CFB 2.2 (MS-OFFCRYPTO 1.3.3).
    case officeOpenXML = "Office Open XML file"
    /// ISO 32000-1, 7.5.2.
    case pdf = "PDF"

    /// The most bytes that are looked at.
    static let longestBeginning = 8

    init?(_ file: ExportFile) {
        let type = file.contentType.map(CompressibleTypes.essence(of:)) ?? ""
        let ending = CompressibleTypes.fileExtension(of: file.name) ?? ""
        switch ending {
        case "zip": self = .zip
        case "pdf": self = .pdf
        case "docx", "docm", "pptx", "pptm", "xlsx", "xlsm": self = .officeOpenXML
        case _ where Self.zipTypes.contains(type) && ending.isEmpty: self = .zip
        case _ where type == "application/pdf" && ending.isEmpty: self = .pdf
        case _ where type.hasPrefix("application/vnd.openxmlformats-officedocument.") && ending.isEmpty:
            self = .officeOpenXML
        default: return nil
        }
    }

    /// Whether a file may begin with these bytes; `isWhole` says that there are no others.
    func mayBegin(with bytes: [UInt8], isWhole: Bool) -> Bool {
        beginnings.contains { beginning in
            if bytes.count < beginning.count { return !isWhole && beginning.starts(with: bytes) }
            return bytes.starts(with: beginning)
        }
    }

    private static let zipTypes: Set = ["application/zip", "application/x-zip-compressed"]

    private var beginnings: [[UInt8]] {
        let localFile = Array("PK".utf8) + [3, 4]
        return switch self {
        case .zip: [localFile, Array("PK".utf8) + [5, 6]]
        case .officeOpenXML: [localFile, [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]]
        case .pdf: [Array("%PDF-".utf8)]
        }
    }
}
