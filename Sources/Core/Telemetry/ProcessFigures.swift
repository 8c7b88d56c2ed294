import Foundation

/// Memory, processor time and open files of this process, read from `/proc` when they are asked for.
///
/// The metrics have the names that Prometheus' own client libraries give them
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/).
public struct ProcessFigures: Sendable, Equatable {
    /// The processor time that was used, by the program and by the system for it.
    var cpuSeconds: Double
    /// When the process began, in seconds since 1970.
    var startTime: Double
    var virtualBytes: Int
    var residentBytes: Int
    /// The files and sockets that are open.
    var openFiles: Int
    /// How many may be open; nil where there is no limit.
    var maxOpenFiles: Int?

    /// The present figures; nil on a system without `/proc`.
    public static func read() -> ProcessFigures? {
        func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
        guard let stat = text("/proc/self/stat"), let system = text("/proc/stat"),
            let limits = text("/proc/self/limits"), let openFiles = countOpenFiles()
        else { return nil }
        return ProcessFigures(
            stat: stat,
            system: system,
            limits: limits,
            openFiles: openFiles,
            ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))),
            pageSize: Int(sysconf(Int32(_SC_PAGESIZE)))
        )
    }

    /// Reads the texts of `/proc/self/stat`, `/proc/stat` and `/proc/self/limits`, as proc(5) describes them.
    init?(stat: String, system: String, limits: String, openFiles: Int, ticksPerSecond: Double, pageSize: Int) {
        // The name of the command is in parentheses, and may contain spaces and parentheses itself.
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map(String.init)
        guard fields.count > 21, let user = Double(fields[11]), let kernel = Double(fields[12]),
            let start = Double(fields[19]), let virtualBytes = Int(fields[20]), let pages = Int(fields[21]),
            let boot = Self.line("btime ", of: system).flatMap(Double.init)
        else { return nil }
        cpuSeconds = (user + kernel) / ticksPerSecond
        startTime = boot + start / ticksPerSecond
        self.virtualBytes = virtualBytes
        residentBytes = pages * pageSize
        self.openFiles = openFiles
        maxOpenFiles = Self.line("Max open files", of: limits)?.split(separator: " ").first.flatMap { Int($0) }
    }

    /// The metrics, by name, with their help texts.
    var families: [(String, PrometheusRegistry.Family)] {
        func gauge(_ name: String, _ help: String, _ value: Double) -> (String, PrometheusRegistry.Family) {
            let series = GaugeSeries()
            series.set(value)
            return (name, .init(kind: .gauge, help: help, series: [[]: series]))
        }
        let cpu = CounterSeries()
        cpu.increment(by: cpuSeconds)
        var families: [(String, PrometheusRegistry.Family)] = [
            (
                "process_cpu_seconds_total",
                .init(kind: .counter, help: "Processor time that the process has used.", series: [[]: cpu])
            ),
            gauge("process_open_fds", "Files and sockets that are open.", Double(openFiles)),
            gauge("process_resident_memory_bytes", "Memory of the process in RAM.", Double(residentBytes)),
            gauge("process_start_time_seconds", "When the process began, since 1970.", startTime),
            gauge("process_virtual_memory_bytes", "Address space of the process.", Double(virtualBytes)),
        ]
        if let maxOpenFiles {
            families.append(gauge("process_max_fds", "Files and sockets that may be open.", Double(maxOpenFiles)))
        }
        return families
    }

    /// The rest of the first line that begins with `name`.
    private static func line(_ name: String, of text: String) -> Substring? {
        text.split(separator: "\n").first { $0.hasPrefix(name) }?.dropFirst(name.count)
    }

    private static func countOpenFiles() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            // Skips `.` and `..`.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        // One of them is this directory, which is open at the moment.
        return count - 1
    }
}
