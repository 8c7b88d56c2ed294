import Exports
import Foundation
import GatewayClient
import JSON

/// The keys that `login` stores: a file that its owner alone can read, in the user's configuration directory, by gateway.
struct KeyStore {
    /// What is wrong with the store; one line for people.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let path: String

    /// `$XDG_CONFIG_HOME/export-gateway/keys.json`, without the variable in `~/.config`
    /// (https://specifications.freedesktop.org/basedir-spec/latest/). Nil where there is no home.
    init?(environment: [String: String]) {
        let absolute = { (name: String) in environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        guard let directory = absolute("XDG_CONFIG_HOME") ?? absolute("HOME").map({ $0 + "/.config" }) else {
            return nil
        }
        path = directory + "/export-gateway/keys.json"
    }

    init(path: String) { self.path = path }

    /// The gateways that have a key.
    func servers() throws(Failure) -> [String] { try read().keys.sorted() }

    /// The key of a gateway.
    func key(of address: GatewayAddress) throws(Failure) -> GatewayKey? {
        guard let text = try read()[address.description] else { return nil }
        guard let key = GatewayKey(text) else {
            throw Failure(description: "\(path): the key of \(address) is none: log in again")
        }
        return key
    }

    /// Stores a key; nil removes what is there. Whether anything changed.
    @discardableResult
    func set(_ key: GatewayKey?, of address: GatewayAddress) throws(Failure) -> Bool {
        try makeDirectory()
        return try locked { () throws(Failure) in
            var keys = try read()
            let text = key?.secret.reveal()
            guard keys[address.description] != text else { return false }
            keys[address.description] = text
            try write(keys)
            return true
        }
    }

    private func read() throws(Failure) -> [String: String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return [:] }
            throw failure("cannot be opened")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot be read") }
        guard status.st_mode & 0o077 == 0 else {
            throw Failure(description: "\(path) can be read by others: chmod 600 \(path), and have its keys replaced")
        }
        guard let data = try? file.readToEnd() ?? Data(), let members = (try? JSONValue(parsing: data))?["keys"]?.object
        else { throw Failure(description: "\(path) is not a store of keys: remove it, and log in again") }
        return members.compactMapValues(\.string)
    }

    /// Another login never sees half a file, and a crash leaves the former one.
    private func write(_ keys: [String: String]) throws(Failure) {
        let document = JSONValue.object(["keys": .object(keys.mapValues { .string($0) })])
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be written") }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        guard (try? file.write(contentsOf: document.encoded())) != nil, fsync(descriptor) == 0,
            rename(temporary, path) == 0
        else {
            unlink(temporary)
            throw failure("cannot be written")
        }
    }

    private var directory: String { URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false) }

    private func makeDirectory() throws(Failure) {
        guard let reason = Directories.make(directory, mode: 0o700) else { return }
        throw Failure(description: "\(directory) cannot be made: \(reason)")
    }

    /// One login at a time reads and writes.
    private func locked<Value>(_ work: () throws(Failure) -> Value) throws(Failure) -> Value {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else { throw failure("cannot be locked") }
        defer { close(descriptor) }
        return try work()
    }

    private func failure(_ what: String) -> Failure {
        Failure(description: "\(path) \(what): \(String(cString: strerror(errno)))")
    }
}
