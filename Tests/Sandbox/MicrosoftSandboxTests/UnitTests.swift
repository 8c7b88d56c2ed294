import Exports
import NIOCore
import Testing

@testable import MicrosoftSandbox

@Suite struct RequestPathTests {
    @Test(arguments: [
        ("/cases('a')/operations('b')", ["cases", "a", "operations", "b"]),
        ("/cases(%27a%27)//x/", ["cases", "a", "x"]),
        ("/exports/a%2Fb%3D/file", ["exports", "a/b=", "file"]),
        ("/a+b/%zz", ["a+b", "%zz"]),
        ("/x('it''s')", ["x", "it's"]),
        ("/x/getDownloadUrl()", ["x", "getDownloadUrl"]),
        ("/f(operationId='a',file=0)", ["f(operationId='a',file=0)"]),
    ])
    func segments(path: String, segments: [String]) {
        #expect(RequestPath(path).segments == segments)
    }

    @Test func operationsMatchPatterns() {
        #expect(Operation.powerBIStart.matches(pattern: "Power-BI.start"))
        #expect(Operation.securityExport.matches(pattern: "graph.start"))
        #expect(Operation.proxyDownload.matches(pattern: "graph.*"))
        #expect(Operation.goalsContent.matches(pattern: "*.download"))
        #expect(!Operation.goalsContent.matches(pattern: "graph.*"))
        #expect(!Operation.goalsContent.matches(pattern: "goals.start"))
        #expect(!Operation.isKnown(pattern: "graph.begin"))
    }

    @Test func timestampsHaveUpToSevenDigits() {
        let time = Timestamp(milliseconds: 1_653_268_176_834)
        #expect(UpstreamTime.text(time, ticks: 5010) == "2022-05-23T01:09:36.834501Z")
        #expect(UpstreamTime.text(Timestamp(milliseconds: 1_653_268_176_000)) == "2022-05-23T01:09:36Z")
    }
}

@Suite struct CallLogTests {
    @Test func keepsTheNewestAndCountsAll() {
        let log = CallLog()
        for index in 0..<(CallLog.limit + 5) {
            log.note(
                SandboxAccount.Call(
                    method: "GET",
                    path: "/",
                    service: "s",
                    operation: "o",
                    status: index,
                    at: Timestamp(milliseconds: 0)
                )
            )
        }
        let (calls, counts) = log.snapshot()
        #expect(calls.map(\.status) == Array(5..<(CallLog.limit + 5)))
        #expect(counts == ["o": CallLog.limit + 5])
    }
}

@Suite struct ContentTests {
    private let generator = ContentGenerator()

    private func bytes(_ spec: FileSpec) -> [UInt8] {
        let file = generator.open(spec)
        var bytes: [UInt8] = []
        while Int64(bytes.count) < spec.size { bytes += file.chunk(at: Int64(bytes.count)).readableBytesView }
        return bytes
    }

    @Test(
        arguments: [FileSpec.Format.csv, .random, .zip, .pst, .pdf, .xml, .mhtml, .png],
        [0, 3, 1000, 1_048_576, 2_500_001]
    )
    func filesHaveTheirSizeAndAreTheSameFromAnywhere(format: FileSpec.Format, size: Int64) {
        let spec = FileSpec(name: "x", format: format, size: size, job: "job", index: 0)
        let whole = bytes(spec)
        #expect(whole.count == Int(size))
        #expect(generator.open(spec).chunk(at: size).readableBytes == 0)
        for offset in stride(from: Int64(0), to: size, by: 333_331) {
            let chunk = generator.open(spec).chunk(at: offset)
            #expect(chunk.readableBytes > 0)
            #expect(Array(chunk.readableBytesView) == Array(whole[Int(offset)...].prefix(chunk.readableBytes)))
        }
    }

    @Test func filesDifferByJobAndPlace() {
        let one = FileSpec(name: "x", format: .random, size: 4096, job: "a", index: 0)
        let same = FileSpec(name: "x", format: .random, size: 4096, job: "a", index: 0)
        let place = FileSpec(name: "x", format: .random, size: 4096, job: "a", index: 1)
        let job = FileSpec(name: "x", format: .random, size: 4096, job: "b", index: 0)
        #expect(bytes(one) == bytes(same))
        #expect(Set([bytes(one), bytes(place), bytes(job)]).count == 3)
    }

    @Test func blocksDiffer() {
        let all = bytes(FileSpec(name: "x", format: .random, size: 3 << 20, job: "a", index: 0))
        #expect(all[..<65_536] != all[65_536..<131_072])
        #expect(all[..<(1 << 20)] != all[(1 << 20)..<(2 << 20)])
    }

    @Test func csvEndsWithItsLine() {
        let text = String(
            decoding: bytes(FileSpec(name: "x", format: .csv, size: 10_000, job: "a", index: 0)),
            as: UTF8.self
        )
        #expect(text.hasSuffix("\n"))
        #expect(text.split(separator: "\n").dropLast().allSatisfy { $0.filter { $0 == "," }.count == 4 })
    }

    @Test func smallArchivesAreReadable() throws {
        let file = bytes(FileSpec(name: "x", format: .zip, size: 70_000, job: "a", index: 0))
        var buffer = ByteBuffer(bytes: file)
        func number<T: FixedWidthInteger>(_ at: Int, _: T.Type) -> T? {
            buffer.getInteger(at: at, endianness: .little, as: T.self)
        }
        #expect(number(0, UInt32.self) == 0x0403_4B50)
        let size = Int(try #require(number(18, UInt32.self)))
        let name = Int(try #require(number(26, UInt16.self)))
        let data = try #require(buffer.getSlice(at: 30 + name, length: size))
        #expect(number(14, UInt32.self) == CRC32.of(data))
        let directory = 30 + name + size
        #expect(number(directory, UInt32.self) == 0x0201_4B50)
        let end = file.count - 22
        #expect(number(end, UInt32.self) == 0x0605_4B50)
        #expect(number(end + 16, UInt32.self).map(Int.init) == directory)
        #expect(number(end + 12, UInt32.self).map(Int.init) == end - directory)
        buffer.clear()
    }

    @Test func checksumsAreTheStandardOnes() {
        #expect(CRC32.of(ByteBuffer(string: "123456789")) == 0xCBF4_3926)
    }
}
