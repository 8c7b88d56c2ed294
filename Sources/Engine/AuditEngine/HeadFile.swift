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
    /// where that fails; a part of the line may be there then.
    func append(_ head: AuditHead) -> Bool {
        guard let file = Self.open(path) else { return false }
        defer { close(file) }
        let lineEnd = [UInt8(ascii: "\n")]
        // A full disk leaves a part of a line, and this head must not become a part of that.
        let line = (endsWithLine(file) ? [] : lineEnd) + head.line + lineEnd
        // One write, so that lines of several processes do not mix.
        return line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == line.count && fsync(file) == 0
    }

    /// Whether the next line begins a line. False also where that cannot be read: an empty line does no harm.
    private func endsWithLine(_ file: CInt) -> Bool {
        var status = stat()
        guard fstat(file, &status) == 0 else { return false }
        // What is no file, such as a pipe, has no end to look at.
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return true }
        guard let reader = Self.open(path, O_RDONLY | O_CLOEXEC) else { return false }
        defer { close(reader) }
        var last: UInt8 = 0
        return pread(reader, &last, 1, status.st_size - 1) == 1 && last == UInt8(ascii: "\n")
    }

    private static func open(_ path: String, _ flags: CInt = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC) -> CInt? {
        #if canImport(Glibc)
        let file = Glibc.open(path, flags, 0o600)
        #elseif canImport(Musl)
        let file = Musl.open(path, flags, 0o600)
        #else
        let file = Darwin.open(path, flags, 0o600)
        #endif
        return file >= 0 ? file : nil
    }
}
