import Foundation

/// Where the programs of PostgreSQL are.
enum ServerPrograms {
    /// The path of a program: of the newest version that Debian's packages have installed, else by `PATH`.
    static func path(of name: String) -> String {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let installed = versions.compactMap { Int($0) }.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin/\(name)" }
        return installed.first { FileManager.default.isExecutableFile(atPath: $0) } ?? name
    }
}
