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
/// only. What is no regular file, such as a pipe, is refused: it could keep the gateway waiting, and keeps nothing.
public struct HeadFile: Sendable {
    private let path: String

    /// Names a file, and makes it where there is none. Throws `StartupError` for `audit.heads.file` where it cannot be appended to, or
    /// is no regular file.
    public init(path: String) throws(StartupError) {
        self.path = path
        guard let file = Self.open(path) else {
            let number = errno
            // A pipe that nobody reads.
            if number == ENXIO { throw Self.notRegular(path) }
            throw StartupError("audit.heads.file", "\(path) cannot be appended to (error \(number))")
        }
        let length = Self.length(of: file)
        close(file)
        if length == nil { throw Self.notRegular(path) }
    }

    private static func notRegular(_ path: String) -> StartupError {
        StartupError("audit.heads.file", "\(path) is no regular file")
    }

    /// Appends a head, and forces it to the disk. It is opened again each time, so that a file that was moved away is made again. False
    /// where that fails; a part of the line may be there then.
    func append(_ head: AuditHead) -> Bool {
        guard let file = Self.open(path) else { return false }
        defer { close(file) }
        // It may have been replaced since the start.
        guard let length = Self.length(of: file) else { return false }
        let lineEnd = [UInt8(ascii: "\n")]
        // A full disk leaves a part of a line, and this head must not become a part of that.
        let line = (endsWithLine(length) ? [] : lineEnd) + head.line + lineEnd
        // One write, so that lines of several processes do not mix.
        return line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == line.count && fsync(file) == 0
    }

    /// Whether the next line begins a line. False also where that cannot be read: an empty line does no harm.
    private func endsWithLine(_ length: off_t) -> Bool {
        guard length > 0 else { return true }
        guard let reader = Self.open(path, O_RDONLY) else { return false }
        defer { close(reader) }
        var last: UInt8 = 0
        return pread(reader, &last, 1, length - 1) == 1 && last == UInt8(ascii: "\n")
    }

    /// Nil for what is no regular file.
    static func length(of file: CInt) -> off_t? {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return status.st_size
    }

    /// Never waits: to open a pipe would, until somebody opens its other end.
    static func open(_ path: String, _ use: CInt = O_WRONLY | O_APPEND | O_CREAT) -> CInt? {
        let flags = use | O_CLOEXEC | O_NONBLOCK
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
