import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A TCP proxy before a server that cuts connections at a chosen moment.
final class CuttingProxy: Sendable {
    enum Cut: Sendable {
        /// What the client sends next does not reach the server.
        case request
        /// The server gets everything. So many of its answers reach the client, and not the next one.
        case answer(after: Int)
    }

    private struct State {
        var cut: Cut?
        var isRefusing = false
    }

    let port: Int
    private let listener: CInt
    private let target: Int
    private let state = Mutex(State())

    init(to target: Int) throws {
        self.target = target
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { [listener] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw CocoaError(.fileReadUnknown) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread { [weak self, listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                guard let self else {
                    close(client)
                    return
                }
                Thread { self.serve(client) }.start()
            }
        }
        .start()
    }

    deinit {
        shutdown(listener, CInt(SHUT_RDWR))
        close(listener)
    }

    /// Cuts the connection that sends next.
    func cut(_ cut: Cut) { state.withLock { $0.cut = cut } }
    /// Whether new connections are closed at once.
    func refuse(_ isRefusing: Bool) { state.withLock { $0.isRefusing = isRefusing } }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return address
    }

    private func serve(_ client: CInt) {
        let server = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer {
            close(client)
            close(server)
        }
        guard !state.withLock({ $0.isRefusing }) else { return }
        var address = Self.address(target)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { return }
        var answers: Int?
        while true {
            var polls = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polls, 2, -1) > 0 else { return }
            if polls[0].revents != 0 {
                let cut = state.withLock { state in
                    defer { state.cut = nil }
                    return state.cut
                }
                switch cut {
                case .request: return
                case .answer(let count): answers = count
                case nil: break
                }
                guard pass(from: client, to: server) else { return }
            }
            if polls[1].revents != 0 {
                if let left = answers {
                    if left == 0 { return }
                    answers = left - 1
                }
                guard pass(from: server, to: client) else { return }
            }
        }
    }

    private func pass(from source: CInt, to target: CInt) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(source, &bytes, bytes.count)
        guard count > 0 else { return false }
        var sent = 0
        while sent < count {
            let written = bytes[sent..<count]
                .withUnsafeBytes { send(target, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard written > 0 else { return false }
            sent += written
        }
        return true
    }
}
