import Foundation
import NIOCore

/// How many processors this process may use.
public enum Processors {
    /// As many as the machine has, the container may use (`System.coreCount` of NIO), or the process was given by `taskset(1)`
    /// or systemd's `CPUAffinity=`, whatever is fewest.
    public static var available: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return max(1, min(System.coreCount, allowed(inStatus: status) ?? .max))
    }

    /// As many as `Cpus_allowed_list` names (proc_pid_status(5)): `0-3,5`, say. Nil where it cannot be read.
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

    /// Makes as many event loops as there are processors; to be called once, before anything else is. Two loops that share a
    /// processor take turns, and each answers fewer requests for each time that it is woken.
    ///
    /// - Parameter environment: What NIO reads of it stays the operator's word.
    public static func limitEventLoops(environment: [String: String]) {
        guard environment["NIO_SINGLETON_GROUP_LOOP_COUNT"] == nil else { return }
        NIOSingletons.groupLoopCountSuggestion = available
    }
}
