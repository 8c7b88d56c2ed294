import NIOCore
import Synchronization
import SystemCrypto

/// The SHA-256 of generated files, computed at the first request and then kept.
final class FileDigests: Sendable {
    let generator: ContentGenerator
    private let known = Mutex<[FileSpec: String]>([:])

    init(generator: ContentGenerator) {
        self.generator = generator
    }

    /// In hexadecimal. Reads the whole file once: a gibibyte takes seconds.
    func sha256(of file: FileSpec) -> String {
        if let digest = known.withLock({ $0[file] }) { return digest }
        var hash = SHA256()
        let content = generator.open(file)
        var offset: Int64 = 0
        while offset < file.size {
            let chunk = content.chunk(at: offset)
            chunk.withUnsafeReadableBytes { hash.update($0) }
            offset += Int64(chunk.readableBytes)
        }
        let digest = Hexadecimal.encode(hash.finalize())
        known.withLock { $0[file] = digest }
        return digest
    }
}
