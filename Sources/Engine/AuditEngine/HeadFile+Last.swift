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
    private static let longestEnd = 1 << 16

    /// The head in the last line of a file that has one; nil where none has, and where the file cannot be read. A line that a
    /// kill has left incomplete is passed over.
    public static func last(in path: String) -> AuditHead? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        guard fseek(file, 0, SEEK_END) == 0 else { return nil }
        let length = ftell(file)
        guard length > 0, fseek(file, max(0, length - longestEnd), SEEK_SET) == 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: min(length, longestEnd))
        let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
        for line in bytes.prefix(count).split(separator: UInt8(ascii: "\n")).reversed() {
            if let head = AuditHead(line: line) { return head }
        }
        return nil
    }
}
