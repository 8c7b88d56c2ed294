public import Audit

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension HeadFile {
    /// So much of the end of a file is read. A line is shorter than a hundredth of it.
    private static let longestEnd: off_t = 1 << 16

    /// The head in the last line of a file that has one; nil where none has, and where the file cannot be read. A line that a
    /// kill has left incomplete is passed over.
    public static func last(in path: String) -> AuditHead? {
        guard let file = Self.open(path, O_RDONLY) else { return nil }
        defer { close(file) }
        guard let length = Self.length(of: file), length > 0 else { return nil }
        let begin = max(0, length - longestEnd)
        var bytes = [UInt8](repeating: 0, count: Int(length - begin))
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, begin) }
        guard count > 0 else { return nil }
        for line in bytes.prefix(count).split(separator: UInt8(ascii: "\n")).reversed() {
            if let head = AuditHead(line: line) { return head }
        }
        return nil
    }
}
