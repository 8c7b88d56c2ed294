/// The description from which a file's bytes are generated. Equal descriptions give equal bytes.
struct FileSpec: Sendable, Hashable {
    /// What the bytes look like from outside.
    enum Format: String, Sendable, Hashable {
        case csv
        case random
        case zip
        case pst
        case pdf
        case pptx
        case xlsx
        case docx
        case xml
        case mhtml
        case png
        case tiff
        case bmp
        case emf
        case gif
        case jpeg
    }

    var name: String
    var format: Format
    var size: Int64
    /// What makes this file differ from every other of its format and size.
    var seed: UInt64
    /// Bytes before the format's own beginning; they count to the size.
    var lead: [UInt8] = []

    /// The recipe of a job's file: determined by the job's id and the file's place in it.
    init(name: String, format: Format, size: Int64, job: String, index: Int) {
        self.name = name
        self.format = format
        self.size = size
        // FNV-1a, because Swift's own hash differs in every process.
        seed = (job + "#\(index)").utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// A strong entity tag: equal for equal bytes.
    var entityTag: String { "\"\(String(seed, radix: 16))-\(size)\"" }

    /// Another version of the file, of the same length and kind.
    var changed: FileSpec {
        var spec = self
        spec.seed = ~seed
        return spec
    }

    /// The same file with another size and kind, and a name that tells so. Written content that was the whole of it goes.
    func replaced(bytes: Int64, kind: SandboxFileKind) -> FileSpec {
        var spec = self
        if Int64(lead.count) == size { spec.lead = [] }
        spec.size = bytes
        spec.format = Format(kind)
        let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? Substring(name)
        spec.name = stem + spec.format.fileExtension
        return spec
    }
}

extension FileSpec.Format {
    init(_ kind: SandboxFileKind) {
        switch kind {
        case .csv: self = .csv
        case .random: self = .random
        case .zip: self = .zip
        case .pst: self = .pst
        }
    }

    /// With its leading dot, as Power BI tells it.
    var fileExtension: String {
        switch self {
        case .random: ".bin"
        case .tiff: ".tif"
        case .jpeg: ".jpg"
        default: "." + rawValue
        }
    }

    var contentType: String {
        switch self {
        case .csv: "text/csv"
        case .random: "application/octet-stream"
        case .zip: "application/zip"
        case .pst: "application/vnd.ms-outlook"
        case .pdf: "application/pdf"
        case .pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation"
        case .xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        case .docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        case .xml: "text/xml"
        case .mhtml: "multipart/related"
        case .png: "image/png"
        case .tiff: "image/tiff"
        case .bmp: "image/bmp"
        case .emf: "image/emf"
        case .gif: "image/gif"
        case .jpeg: "image/jpeg"
        }
    }

    /// Whether the filling is text.
    var isText: Bool { self == .csv || self == .xml || self == .mhtml }

    /// Whether the file is a ZIP archive, by whatever name.
    var isArchive: Bool { self == .zip || self == .pptx || self == .xlsx || self == .docx }
}
