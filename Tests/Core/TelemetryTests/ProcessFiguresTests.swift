import Testing

@testable import Telemetry

@Suite struct ProcessFiguresTests {
    private static let stat =
        "42 (a (b) c) S 1 42 42 0 -1 4194560 5000 0 3 0 150 50 0 0 20 0 8 0 3000 1000000 25 18446744073709551615 1 1 0"
    private static let system = "cpu  1 2 3\nctxt 7\nbtime 1700000000\nprocesses 9\n"
    private static let limits = """
        Limit                     Soft Limit           Hard Limit           Units
        Max processes             100                  200                  processes
        Max open files            1024                 4096                 files
        """

    private func parsed(stat: String = stat, system: String = system, limits: String = limits) -> ProcessFigures? {
        ProcessFigures(
            stat: stat,
            system: system,
            limits: limits,
            openFiles: 7,
            ticksPerSecond: 100,
            pageSize: 4096
        )
    }

    @Test func readsTheSystemsTexts() throws {
        let figures = try #require(parsed())
        #expect(figures.cpuSeconds == 2)
        #expect(figures.startTime == 1_700_000_030)
        #expect(figures.virtualBytes == 1_000_000)
        #expect(figures.residentBytes == 102_400)
        #expect(figures.maxOpenFiles == 1024)
    }

    @Test func withoutALimitThereIsNone() throws {
        let unlimited = Self.limits.replacing("1024 ", with: "unlimited ")
        let registry = PrometheusRegistry { self.parsed(limits: unlimited) }
        let text = registry.text()
        #expect(text.contains("\nprocess_open_fds 7\n"))
        #expect(!text.contains("process_max_fds"))
    }

    @Test(arguments: ["", "42 (a) S 1", "42 (a) S x x x x x x x x x x x x x x x x x x x x x x"])
    func whatCannotBeReadIsNotShown(stat: String) {
        #expect(parsed(stat: stat) == nil)
        #expect(parsed(system: "cpu 1\n") == nil)
    }

    @Test func thisProcessHasFigures() throws {
        let figures = try #require(ProcessFigures.read())
        #expect(figures.residentBytes > 1 << 20)
        #expect(figures.openFiles > 2)
        let text = PrometheusRegistry(process: ProcessFigures.read).text()
        for name in [
            "process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes",
            "process_start_time_seconds", "process_virtual_memory_bytes",
        ] {
            #expect(text.contains("\n\(name) "), "\(name)")
        }
    }
}
