public import UpstreamHTTP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A port of this machine where nobody answers: bound, so that no other test can get it, and never listened on.
public final class ClosedPort: Sendable {
    public let url: UpstreamURL
    private let descriptor: CInt

    /// Takes any free port; nil where there is none.
    public init?() {
        #if canImport(Glibc)
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (socket, size) = (descriptor, length)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard isBound, let url = UpstreamURL("http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/thing") else {
            close(descriptor)
            return nil
        }
        self.url = url
    }

    deinit { close(descriptor) }
}
