import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The user that the server runs as: PostgreSQL refuses to run as root. https://www.postgresql.org/docs/15/creating-cluster.html
struct ServerUser: Sendable {
    /// Nil for the user of this process.
    private let account: (name: String, uid: uid_t, gid: gid_t)?

    init() {
        guard getuid() == 0 else {
            account = nil
            return
        }
        account =
            ["postgres", "nobody"].lazy
            .compactMap { name in getpwnam(name).map { (name, $0.pointee.pw_uid, $0.pointee.pw_gid) } }.first
    }

    /// The words of a program, as this user. It is killed when the thread that starts it ends.
    func wrapping(_ words: [String]) -> [String] {
        let change = account.map { ["--reuid=\($0.uid)", "--regid=\($0.gid)", "--clear-groups"] } ?? []
        return ["setpriv"] + change + ["--pdeathsig=KILL"] + words
    }

    /// Makes a directory that only this user can use.
    func makeDirectory(_ path: String, mode: mode_t = 0o700) throws {
        guard mkdir(path, mode) == 0, chmod(path, mode) == 0, own(path) else {
            throw TestServerError("\(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Writes a file that only this user can read.
    func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        guard chmod(path, 0o600) == 0, own(path) else {
            throw TestServerError("\(path): \(String(cString: strerror(errno)))")
        }
    }

    private func own(_ path: String) -> Bool { account.map { chown(path, $0.uid, $0.gid) == 0 } ?? true }
}
