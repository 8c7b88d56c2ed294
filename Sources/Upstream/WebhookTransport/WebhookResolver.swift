import Exports
public import NIOCore
public import NIOPosix
import Synchronization
public import Webhooks

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Finds the addresses of a name.
public protocol WebhookResolver: Sendable {
    /// All addresses of a name, of IPv4 and of IPv6, with the port; empty where it has none.
    ///
    /// Throws `unresolved` where they cannot be found, and soon after the task is cancelled. It is called once for each request,
    /// and the connection goes to one of the addresses that it gives.
    func addresses(of name: String, port: Int) async throws(WebhookSendFailure) -> [SocketAddress]
}

/// The system's resolver: `/etc/hosts`, DNS, and whatever else the machine is configured for (`getaddrinfo`).
///
/// `getaddrinfo` blocks its thread, and cannot be cancelled. So it has threads of its own, and there is a limit on the number of
/// lookups, with those that nobody waits for any more.
public final class SystemWebhookResolver: WebhookResolver {
    private let pool: NIOThreadPool
    private let eventLoopGroup: any EventLoopGroup
    private let maxLookups: Int
    private let lookups = Atomic(0)

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threads: How many names are looked up at the same time. A lookup that nobody waits for any more keeps its thread until it
    ///     ends, so that there should be as many threads as there are requests at a time.
    ///   - maxLookups: How many lookups there are at most, with those that wait for a thread.
    public init(
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        threads: Int = 32,
        maxLookups: Int = 128
    ) {
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
        self.eventLoopGroup = eventLoopGroup
        self.maxLookups = maxLookups
    }

    deinit { pool.shutdownGracefully { _ in } }

    /// Ends the threads, and returns when the lookups under way have ended. Lookups that wait for a thread fail. Without this call, the
    /// threads end after the resolver is released.
    public func shutdown() async throws { try await pool.shutdownGracefully() }

    /// Throws `unresolved` also where there are too many lookups.
    public func addresses(of name: String, port: Int) async throws(WebhookSendFailure) -> [SocketAddress] {
        guard lookups.add(1, ordering: .relaxed).newValue <= maxLookups else {
            lookups.subtract(1, ordering: .relaxed)
            throw .unresolved
        }
        let promise = eventLoopGroup.next().makePromise(of: [SocketAddress]?.self)
        pool.submit { state in
            defer { self.lookups.subtract(1, ordering: .relaxed) }
            promise.succeed(state == .active ? Self.lookup(name, port) : nil)
        }
        // A promise keeps the first result that it gets.
        let found = await withTaskCancellationHandler {
            try? await promise.futureResult.get()
        } onCancel: {
            promise.succeed(nil)
        }
        guard let found else { throw .unresolved }
        return found
    }

    /// Nil where the name cannot be resolved.
    private static func lookup(_ name: String, _ port: Int) -> [SocketAddress]? {
        var hints = addrinfo()
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, String(port), &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                switch entry.ai_family {
                case AF_INET: addresses.append(SocketAddress(UnsafeRawPointer(address).load(as: sockaddr_in.self)))
                case AF_INET6: addresses.append(SocketAddress(UnsafeRawPointer(address).load(as: sockaddr_in6.self)))
                default: break
                }
            }
            next = entry.ai_next
        }
        return addresses
    }
}
