import Audit
import Exports
import Foundation
import TestSupport
import Testing

@testable import AuditEngine

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite struct HeadFileTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("heads.ndjson") }

    init() throws { directory = try TemporaryDirectory() }

    private func head(_ sequence: Int64) -> AuditHead {
        AuditHead(sequence: sequence, code: AuditRow.noCode, keyID: "k", time: Timestamp(milliseconds: 0))
    }

    private func lines() throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func eachHeadIsALine() throws {
        let file = try HeadFile(path: path)
        for sequence in 1...3 { #expect(file.append(head(Int64(sequence)))) }
        let lines = try lines()
        #expect(lines.count == 4 && lines.last == "")
        #expect(lines.dropLast().map { AuditHead(line: $0.utf8)?.sequence } == [1, 2, 3])
    }

    /// To open it would wait for somebody who reads.
    @Test func whatIsNoRegularFileIsRefused() throws {
        #expect(mkfifo(path, 0o600) == 0)
        for place in [path, "/dev/null"] {
            let error = #expect(throws: StartupError.self) { _ = try HeadFile(path: place) }
            #expect(error?.key == "audit.heads.file" && error?.detail == "\(place) is no regular file")
            #expect(HeadFile.last(in: place) == nil)
        }
    }

    @Test func aPipeInThePlaceOfTheFileKeepsNobodyWaiting() throws {
        let file = try HeadFile(path: path)
        try FileManager.default.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(!file.append(head(1)))
    }

    /// As a full disk leaves it.
    @Test func aHeadAfterAPartOfALineIsALineOfItsOwn() throws {
        let file = try HeadFile(path: path)
        #expect(file.append(head(1)))
        let whole = try Data(contentsOf: URL(filePath: path))
        try whole.dropLast(20).write(to: URL(filePath: path))
        #expect(file.append(head(2)) && file.append(head(3)))
        let lines = try lines()
        #expect(lines.map { AuditHead(line: $0.utf8)?.sequence } == [nil, 2, 3, nil])
        #expect(lines.last == "")
    }
}
