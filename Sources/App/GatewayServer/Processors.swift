import Foundation
import NIOCore

/// How many processors this process may use.
public enum Processors {
    /// The lowest of three numbers: the processors of the machine, those that the container may use (`System.coreCount` of NIO), and
    /// those that `taskset(1)` or systemd's `CPUAffinity=` assigned to the process.
    public static var available: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return max(1, min(System.coreCount, allowed(inStatus: status) ?? .max))
    }

    /// The number of processors in `Cpus_allowed_list` (proc_pid_status(5)), such as `0-3,5`. Nil where it cannot be read.
    static func allowed(inStatus status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        var count = 0
        for range in line.dropFirst(name.count).split(separator: ",") {
            let ends = range.split(separator: "-").map { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// Limits the number of event loops to the number of processors. To be called once, before anything else. Two loops that share a
    /// processor would take turns, and each would answer fewer requests each time that it is woken.
    ///
    /// - Parameter environment: NIO's own variable takes precedence.
    public static func limitEventLoops(environment: [String: String]) {
        guard environment["NIO_SINGLETON_GROUP_LOOP_COUNT"] == nil else { return }
        NIOSingletons.groupLoopCountSuggestion = available
    }
}
