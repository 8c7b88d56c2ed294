import Foundation
import Logging

/// How many files and sockets this process may have open at a time.
public enum OpenFiles {
    #if os(Linux)
    private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
    #else
    private static var resource: Int32 { RLIMIT_NOFILE }
    #endif

    /// The limit as it is; 0 where the system does not say.
    static var limit: UInt64 {
        var limit = rlimit()
        return getrlimit(resource, &limit) == 0 ? UInt64(limit.rlim_cur) : 0
    }

    /// Raises the limit to the highest that the system lets this process set (`getrlimit(2)`).
    ///
    /// The usual limit, 1,024, is for programs that call `select`; each download takes a socket to either side.
    public static func raiseLimit() {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }

    /// Warns where `limit` is too low for so many clients, each with a call upstream.
    static func warn(ofLimit limit: UInt64, connections: Int, _ logger: Logger) {
        let wanted = UInt64(2 * connections + 256)
        guard limit < wanted else { return }
        logger.warning(
            "The limit of open files is too low for server.maximumConnections: raise the limit (ulimit -n), or lower the setting",
            metadata: ["limit": "\(limit)", "wanted": "\(wanted)"]
        )
    }
}
