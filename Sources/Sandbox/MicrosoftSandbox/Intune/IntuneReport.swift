import NIOCore
import StoredZip

/// How the report in an Intune job's archive is written, for `SandboxFault.report`: what differs from a plain CSV in UTF-8 with a
/// byte order mark (`Upstream-Intune, Content`).
public struct SandboxReport: Sendable, Hashable {
    /// Rows below the header; nil writes as many as fill the sandbox's file size.
    public var rows: Int?
    /// How many files the archive has; more than one are alike but for their names.
    public var members: Int
    /// Whether a CSV begins with a byte order mark.
    public var byteOrderMark: Bool
    /// Whether lines end in CR and LF.
    public var carriageReturns: Bool
    /// Whether rows have bare quotes, `<Null>`, and a field less than the header.
    public var uneven: Bool
    /// Whether a JSON report is an object with `values`, and not an array.
    public var wrapped: Bool

    /// Makes a form; what is not given is plain.
    public init(
        rows: Int? = nil,
        members: Int = 1,
        byteOrderMark: Bool = true,
        carriageReturns: Bool = false,
        uneven: Bool = false,
        wrapped: Bool = false
    ) {
        self.rows = rows
        self.members = members
        self.byteOrderMark = byteOrderMark
        self.carriageReturns = carriageReturns
        self.uneven = uneven
        self.wrapped = wrapped
    }
}

/// The archive of an Intune job: `<job's id>.csv` or `.json` (`Upstream-Intune, Content`).
struct IntuneReport {
    /// A report is no longer than this, whatever the sandbox's file size.
    static let longest = 1 << 20

    var columns: [String]
    var isJSON: Bool
    var form: SandboxReport

    /// The archive's bytes.
    ///
    /// - Parameter size: How long the report is to be, more or less, where its form does not say how many rows it has.
    func archive(of job: String, size: Int64) -> [UInt8] {
        let report = ByteBuffer(bytes: isJSON ? json(size) : csv(size))
        var (zip, archive) = (StoredZip(), ByteBuffer())
        for index in 0..<form.members {
            let name = job + (index == 0 ? "" : "-\(index + 1)") + (isJSON ? ".json" : ".csv")
            guard let member = ZipMember(name: name, modified: 1_767_225_600) else { continue }
            let content = ZipContent(length: UInt64(report.readableBytes), checksum: CRC32.of(report))
            archive.writeImmutableBuffer(zip.begin(member, content: content))
            zip.add(report)
            archive.writeImmutableBuffer(report)
        }
        while let directory = zip.directory() { archive.writeImmutableBuffer(directory) }
        return Array(archive.readableBytesView)
    }

    private func rowCount(_ size: Int64, of rowSize: Int) -> Int {
        form.rows ?? max(1, Int(min(size, Int64(Self.longest))) / max(1, rowSize))
    }

    private func value(_ row: Int, _ column: Int) -> String {
        if form.uneven, column == 1 { return row % 2 == 0 ? "<Null>" : "15\" screen" }
        return column == 0 ? "row \(row + 1)" : "value \(column)"
    }

    private func csv(_ size: Int64) -> [UInt8] {
        let end = form.carriageReturns ? "\r\n" : "\n"
        let rows = rowCount(size, of: columns.count * 9 + 2)
        var text = (form.byteOrderMark ? "\u{FEFF}" : "") + columns.joined(separator: ",") + end
        for row in 0..<rows {
            let fields = columns.indices.map { value(row, $0) }
            text += fields.dropLast(form.uneven && row % 3 == 2 ? 1 : 0).joined(separator: ",") + end
        }
        return Array(text.utf8)
    }

    private func json(_ size: Int64) -> [UInt8] {
        let rows = rowCount(size, of: columns.reduce(4) { $0 + $1.utf8.count + 15 })
        let objects = (0..<rows)
            .map { row in
                "{" + columns.indices.map { "\"\(columns[$0])\":\"\(escaped(value(row, $0)))\"" }.joined(separator: ",")
                    + "}"
            }
        let array = "[" + objects.joined(separator: ",\n") + "]\n"
        return Array((form.wrapped ? "{\"values\":" + array + "}\n" : array).utf8)
    }

    private func escaped(_ text: String) -> String { text.replacing("\"", with: "\\\"") }
}
