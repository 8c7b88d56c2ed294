import Foundation
import NIOCore
import Synchronization
import SystemCrypto

/// A file that is being downloaded: `NAME.export-gateway-part`, which gets its name when it is whole, and its digest, computed as bytes pass.
///
/// Everything here blocks: call it on a thread for that. Beside it stands
/// `NAME.export-gateway-part.json` with what the bytes are of, so that
/// another run goes on with them. It is locked (flock(2)), so that two runs do not write into one file.
final class PartFile: Sendable {
    /// What the bytes of a part are of.
    struct Origin: Codable, Hashable, Sendable {
        var export: String
        var file: String
        var etag: String
        var total: Int64?
    }

    private struct State: ~Copyable {
        var descriptor: CInt
        var digest = SHA256()
        var count: Int64 = 0
    }

    let path: String
    private let state: Mutex<State>

    private var partPath: String { path + PartName.part }
    private var originPath: String { path + PartName.origin }
    /// Another process may give the part its name, or remove it, between our opening and locking it: so often it is opened.
    private static let openings = 10

    /// Opens the part, which may be there from an earlier run.
    init(path: String) throws(GatewayClientError) {
        self.path = path
        state = Mutex(State(descriptor: try Self.locked(path + PartName.part)))
    }

    /// Opens and locks what stands at `path` then: the lock is on a file, and not on its name.
    private static func locked(_ path: String) throws(GatewayClientError) -> CInt {
        for _ in 0..<openings {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
            guard descriptor >= 0 else { throw failure("open", path) }
            let isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
            if isLocked, stands(descriptor, at: path) { return descriptor }
            close(descriptor)
            guard isLocked else { break }
        }
        throw .fileSystem("\(path) is being written by another process: wait for it, or choose another directory.")
    }

    /// Whether the open file is the one at `path`.
    private static func stands(_ descriptor: CInt, at path: String) -> Bool {
        var (opened, named) = (stat(), stat())
        return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev
            && opened.st_ino == named.st_ino
    }

    deinit { state.withLock { _ = close($0.descriptor) } }

    /// What an earlier run left of this file: its bytes are digested, and writing goes on behind them. Nil where there is
    /// nothing to go on with; then the part is empty.
    ///
    /// Throws `GatewayClientError`, and `CancellationError` after the block in which `flag` is raised: the bytes stay.
    func resume(export: String, file: String, _ flag: CancellationFlag) throws -> DownloadState.Part? {
        guard let text = FileManager.default.contents(atPath: originPath),
            let origin = try? JSONDecoder().decode(Origin.self, from: text), origin.export == export,
            origin.file == file
        else {
            try restart()
            return nil
        }
        let offset = try digestAll(flag)
        guard offset > 0, offset <= origin.total ?? .max else {
            try restart()
            return nil
        }
        return DownloadState.Part(offset: offset, validator: origin.etag, total: origin.total)
    }

    /// Notes what the bytes are of; nil where they cannot be continued.
    func note(_ origin: Origin?) throws(GatewayClientError) {
        guard let origin else {
            unlink(originPath)
            return
        }
        guard let text = try? JSONEncoder().encode(origin), (try? text.write(to: URL(filePath: originPath))) != nil
        else { throw Self.failure("write", originPath) }
    }

    /// Drops all bytes.
    func restart() throws(GatewayClientError) {
        unlink(originPath)
        let succeeded = state.withLock { state in
            state.digest = SHA256()
            state.count = 0
            return ftruncate(state.descriptor, 0) == 0 && lseek(state.descriptor, 0, SEEK_SET) == 0
        }
        guard succeeded else { throw Self.failure("empty", partPath) }
    }

    /// Writes bytes behind those that are there. Returns how many there are then.
    func append(_ chunks: [ByteBuffer]) throws(GatewayClientError) -> Int64 {
        let count: Int64? = state.withLock { state in
            for chunk in chunks {
                let isWritten = chunk.withUnsafeReadableBytes { Self.write($0, to: state.descriptor) }
                guard isWritten else { return nil }
                chunk.withUnsafeReadableBytes { state.digest.update($0) }
                state.count += Int64(chunk.readableBytes)
            }
            return state.count
        }
        guard let count else { throw Self.failure("write", partPath) }
        return count
    }

    /// The digest of all bytes, in lower-case hexadecimal.
    func sha256() -> String { state.withLock { Hexadecimal.encode($0.digest.digestSoFar()) } }

    /// Gives the file its name: it is whole.
    func complete(syncing: Bool) throws(GatewayClientError) {
        if syncing, state.withLock({ fsync($0.descriptor) }) != 0 { throw Self.failure("sync", partPath) }
        guard isOurs else {
            throw .fileSystem("\(partPath) was replaced while it was written: \(path) was not made.")
        }
        guard rename(partPath, path) == 0 else { throw Self.failure("rename", partPath) }
        unlink(originPath)
    }

    /// Removes it: its bytes are of no use to anybody.
    func remove() {
        guard isOurs else { return }
        unlink(originPath)
        unlink(partPath)
    }

    /// Whether what stands at the part's path is what was written.
    private var isOurs: Bool { state.withLock { Self.stands($0.descriptor, at: partPath) } }

    private func digestAll(_ flag: CancellationFlag) throws -> Int64 {
        let count: Int64? = try state.withLock { state in
            guard lseek(state.descriptor, 0, SEEK_SET) == 0 else { return nil }
            var block = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                try flag.check()
                let count = block.withUnsafeMutableBytes { read(state.descriptor, $0.baseAddress, $0.count) }
                if count < 0 {
                    if errno == EINTR { continue }
                    return nil
                }
                if count == 0 { return state.count }
                block.withUnsafeBytes { state.digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                state.count += Int64(count)
            }
        }
        guard let count else { throw Self.failure("read", partPath) }
        return count
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }

    private static func failure(_ verb: String, _ path: String) -> GatewayClientError {
        .fileSystem("Cannot \(verb) \(path): \(String(cString: strerror(errno))).")
    }
}
