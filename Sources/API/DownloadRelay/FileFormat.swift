import Exports

/// How a file has to begin, by its name or its type. So an error or a page that an upstream sends instead is found before the
/// first byte is sent. The raw value is the format's name in a sentence.
///
/// For a format without a signature, only what cannot be such a file is refused: a CSV may be empty, or a line of words.
enum FileFormat: String, Sendable {
    /// APPNOTE.TXT 4.3.7; an empty archive has nothing but its end (4.3.16); a marker may stand before the first file (8.5).
    case zip = "a ZIP archive"
    /// ISO/IEC 29500-2: a ZIP archive. With a password or a protecting label: MS-CFB 2.2 (MS-OFFCRYPTO 1.3.3).
    case officeOpenXML = "an Office Open XML file"
    /// ISO 32000-1, 7.5.2; readers take the header within the first 1,024 bytes (annex H, implementation note 13).
    case pdf = "a PDF"
    /// W3C PNG, 5.2.
    case png = "a PNG image"
    /// TIFF 6.0, section 2, and BigTIFF.
    case tiff = "a TIFF image"
    /// ITU-T T.81, B.1.1.3.
    case jpeg = "a JPEG image"
    /// GIF89a, 17.
    case gif = "a GIF image"
    /// MS-WMF 2.2.2.9 (BITMAPFILEHEADER).
    case bmp = "a BMP image"
    /// MS-EMF 2.3.4.2.
    case emf = "an EMF image"
    /// MS-PST 2.2.2.6.
    case pst = "a mail store (PST)"
    /// MS-CFB 2.2.
    case msg = "a mail (MSG)"
    /// XML 1.0, 2.1: markup begins it.
    case xml = "an XML file"
    /// RFC 2557: a header field begins it.
    case mhtml = "a MHTML file"
    /// RFC 4180, loosely.
    case csv = "a CSV file"
    /// Text that is no markup.
    case text = "a text file"

    enum Judgement: Sendable, Hashable {
        case fits
        case refuted
        /// More bytes have to be seen.
        case undecided
    }

    init?(_ file: ExportFile) {
        let ending = CompressibleTypes.fileExtension(of: file.name) ?? ""
        if let format = Self.endings[ending] {
            self = format
            return
        }
        guard ending.isEmpty else { return nil }
        let type = file.contentType.map(CompressibleTypes.essence(of:)) ?? ""
        if type.hasPrefix("application/vnd.openxmlformats-officedocument.") {
            self = .officeOpenXML
        } else if let format = Self.types[type] {
            self = format
        } else {
            return nil
        }
    }

    /// Whether a file may begin with these bytes. `isWhole` says that there are no others, or that no more are checked.
    func judge(_ bytes: [UInt8], isWhole: Bool, _ substitute: Substitute) -> Judgement {
        switch self {
        case .csv, .text:
            switch substitute {
            case .errorObject, .json, .webPage, .errorDocument: .refuted
            case .xmlDocument: self == .csv ? .refuted : .fits
            case .undecided: .undecided
            case .other: .fits
            }
        case .xml: judgeXML(bytes, isWhole: isWhole, substitute)
        case .mhtml: judgeMHTML(bytes, isWhole: isWhole)
        case .pdf: judgePDF(bytes, isWhole: isWhole)
        case .zip, .officeOpenXML, .png, .tiff, .jpeg, .gif, .bmp, .emf, .pst, .msg:
            judgeSignature(bytes, isWhole: isWhole)
        }
    }

    private func judgeSignature(_ bytes: [UInt8], isWhole: Bool) -> Judgement {
        var isPossible = false
        for signature in signatures {
            if bytes.starts(with: signature) { return .fits }
            if signature.starts(with: bytes) { isPossible = true }
        }
        return isPossible && !isWhole ? .undecided : .refuted
    }

    private func judgePDF(_ bytes: [UInt8], isWhole: Bool) -> Judgement {
        let header = Array("%PDF-".utf8)
        let places = 0..<min(1024, max(0, bytes.count - header.count + 1))
        if places.contains(where: { bytes[$0...].starts(with: header) }) { return .fits }
        return isWhole ? .refuted : .undecided
    }

    private func judgeXML(_ bytes: [UInt8], isWhole: Bool, _ substitute: Substitute) -> Judgement {
        let text = TextBeginning(bytes)
        if text.isBlank { return isWhole ? .refuted : .undecided }
        guard text.lowercased.hasPrefix("<") else { return .refuted }
        return switch substitute {
        case .webPage, .errorDocument: .refuted
        case .undecided: .undecided
        case .errorObject, .json, .xmlDocument, .other: .fits
        }
    }

    private func judgeMHTML(_ bytes: [UInt8], isWhole: Bool) -> Judgement {
        let text = TextBeginning(bytes).lowercased
        let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        if name.isEmpty { return text.isEmpty && !isWhole ? .undecided : .refuted }
        guard let next = text.dropFirst(name.count).first else { return isWhole ? .refuted : .undecided }
        return next == ":" ? .fits : .refuted
    }

    private static let endings: [String: FileFormat] = [
        "zip": .zip, "pdf": .pdf,
        "docx": .officeOpenXML, "docm": .officeOpenXML, "pptx": .officeOpenXML, "pptm": .officeOpenXML,
        "xlsx": .officeOpenXML, "xlsm": .officeOpenXML,
        "png": .png, "tif": .tiff, "tiff": .tiff, "jpg": .jpeg, "jpeg": .jpeg, "gif": .gif, "bmp": .bmp, "emf": .emf,
        "pst": .pst, "msg": .msg,
        "xml": .xml, "mhtml": .mhtml, "mht": .mhtml,
        "csv": .csv, "tsv": .csv, "txt": .text,
    ]

    private static let types: [String: FileFormat] = [
        "application/zip": .zip, "application/x-zip-compressed": .zip, "application/pdf": .pdf,
        "image/png": .png, "image/tiff": .tiff, "image/jpeg": .jpeg, "image/gif": .gif, "image/bmp": .bmp,
        "image/emf": .emf, "text/xml": .xml, "application/xml": .xml, "multipart/related": .mhtml, "text/csv": .csv,
    ]

    private static let compound: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]

    /// One of these begins the file.
    private var signatures: [[UInt8]] {
        func text(_ text: String) -> [UInt8] { Array(text.utf8) }
        let localFile = text("PK") + [3, 4]
        return switch self {
        case .zip:
            // Besides a local file: the end record of an empty archive, and the markers of archives that are, or could be, split.
            [localFile, text("PK") + [5, 6], text("PK") + [7, 8] + localFile, text("PK00") + localFile]
        case .officeOpenXML: [localFile, Self.compound]
        case .png: [[0x89] + text("PNG") + [0x0D, 0x0A, 0x1A, 0x0A]]
        case .tiff: [text("II") + [42, 0], text("MM") + [0, 42], text("II") + [43, 0], text("MM") + [0, 43]]
        case .jpeg: [[0xFF, 0xD8, 0xFF]]
        case .gif: [text("GIF87a"), text("GIF89a")]
        case .bmp: [text("BM")]
        case .emf: [[1, 0, 0, 0]]
        case .pst: [text("!BDN")]
        case .msg: [Self.compound]
        case .pdf, .xml, .mhtml, .csv, .text: []
        }
    }
}
