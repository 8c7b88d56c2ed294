import Foundation
import SystemCrypto

/// The digest of a file that is there. It blocks: call it on a thread for that.
enum FileDigest {
    /// The length and SHA-256 of the file at `path`; nil where there is none. With `skipped`, the digest is not computed and empty.
    ///
    /// Throws `GatewayClientError`, and `CancellationError` after the block in which `flag` is raised.
    static func of(
        _ path: String,
        unless skipped: Bool,
        _ flag: CancellationFlag
    ) throws -> (bytes: Int64, sha256: String)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw GatewayClientError.fileSystem("Cannot open \(path): \(String(cString: strerror(errno))).")
        }
        defer { close(descriptor) }
        if skipped { return (0, "") }
        var digest = SHA256()
        var bytes: Int64 = 0
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try flag.check()
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw GatewayClientError.fileSystem("Cannot read \(path): \(String(cString: strerror(errno))).")
            }
            if count == 0 { return (bytes, Hexadecimal.encode(digest.finalize())) }
            block.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            bytes += Int64(count)
        }
    }
}
