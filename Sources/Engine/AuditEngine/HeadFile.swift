import Audit
public import Exports

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file to which heads are appended, a line of NDJSON each. It is never truncated, so that it may be on a disk that allows appending
/// only.
public struct HeadFile: Sendable {
    private let path: String

    /// Names a file, and makes it where there is none. Throws `StartupError` for `audit.heads.file` where it cannot be appended to.
    public init(path: String) throws(StartupError) {
        self.path = path
        guard let file = Self.open(path) else {
            throw StartupError("audit.heads.file", "\(path) cannot be appended to (error \(errno))")
        }
        close(file)
    }

    /// Appends a head, and forces it to the disk. It is opened again each time, so that a file that was moved away is made again. False
    /// where that fails.
    func append(_ head: AuditHead) -> Bool {
        guard let file = Self.open(path) else { return false }
        defer { close(file) }
        let line = head.line + [UInt8(ascii: "\n")]
        // One write, so that lines of several processes do not mix.
        return line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == line.count && fsync(file) == 0
    }

    private static func open(_ path: String) -> CInt? {
        #if canImport(Glibc)
        let file = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        #elseif canImport(Musl)
        let file = Musl.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        #else
        let file = Darwin.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        #endif
        return file >= 0 ? file : nil
    }
}
