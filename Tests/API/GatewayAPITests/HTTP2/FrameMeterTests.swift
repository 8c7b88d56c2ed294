import NIOCore
import Testing

@testable import GatewayAPI

/// The frames of a connection, by their bytes.
@Suite struct FrameMeterTests {
    private static let endOfStream: UInt8 = 0x1
    private static let endOfHead: UInt8 = 0x4

    private static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 1, length: Int = 0) -> [UInt8] {
        let head = [UInt8(length >> 16), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags]
        return head + (0..<4).map { UInt8(stream >> (24 - 8 * $0) & 0xFF) } + [UInt8](repeating: 0x9, count: length)
    }

    /// A meter that has read the preface and the client's settings.
    private func meter() -> FrameMeter {
        var meter = FrameMeter()
        #expect(meter.read(ByteBuffer(bytes: Opening.preface + Self.frame(0x4, stream: 0, length: 6))) == .init())
        return meter
    }

    @Test func thePrefaceIsNoFrame() {
        #expect(meter().unfinished == 0)
    }

    @Test func framesThatBringNothingOnAreCounted() {
        var meter = meter()
        let idle: [[UInt8]] = [
            Self.frame(0x8, length: 4), Self.frame(0x8, stream: 0, length: 4), Self.frame(0x7, stream: 0, length: 8),
            Self.frame(0x0), Self.frame(0x0, length: FrameMeter.smallestData - 1),
            Self.frame(0x10, stream: 0, length: 5), Self.frame(0xFF, length: 100),
        ]
        let counted: [[UInt8]] = [
            Self.frame(0x0, flags: Self.endOfStream), Self.frame(0x0, flags: Self.endOfStream, length: 10),
            Self.frame(0x0, length: FrameMeter.smallestData), Self.frame(0x2, length: 5),
            Self.frame(0x3, length: 4),
            Self.frame(0x4, flags: 0x1, stream: 0), Self.frame(0x6, stream: 0, length: 8),
        ]
        #expect(meter.read(ByteBuffer(bytes: idle.joined())) == .init(heads: 0, idle: idle.count))
        #expect(meter.read(ByteBuffer(bytes: counted.joined())) == .init())
    }

    @Test func aHeadThatHasNotEndedIsHeld() {
        var meter = meter()
        #expect(
            meter.read(ByteBuffer(bytes: Self.frame(0x1, flags: Self.endOfStream, length: 1000)))
                == .init(heads: 1, idle: 0)
        )
        #expect(meter.unfinished == 1000)
        #expect(meter.read(ByteBuffer(bytes: Self.frame(0x9, length: 500))) == .init())
        #expect(meter.unfinished == 1500)
        #expect(meter.read(ByteBuffer(bytes: Self.frame(0x9))) == .init(heads: 0, idle: 1))
        #expect(meter.read(ByteBuffer(bytes: Self.frame(0x9, flags: Self.endOfHead, length: 10))) == .init())
        #expect(meter.unfinished == 0)
    }

    @Test func aWholeHeadIsNotHeld() {
        var meter = meter()
        #expect(
            meter.read(ByteBuffer(bytes: Self.frame(0x1, flags: Self.endOfHead, length: 30_000)))
                == .init(heads: 1, idle: 0)
        )
        #expect(meter.unfinished == 0)
        _ = meter.read(ByteBuffer(bytes: Self.frame(0x1, flags: Self.endOfHead)))
        #expect(meter.unfinished == 0)
    }

    @Test(arguments: [1, 2, 3, 8, 9, 10, 23, 24, 25, 1000])
    func piecesOfAnyLengthAreTheSame(length: Int) {
        let frames: [[UInt8]] = [
            Opening.preface, Self.frame(0x4, stream: 0, length: 6), Self.frame(0x1, length: 40),
            Self.frame(0x9, flags: Self.endOfHead, length: 7),
            Self.frame(0x8, length: 4), Self.frame(0x0, length: 70), Self.frame(0x1, length: 300),
        ]
        let bytes = Array(frames.joined())
        var (meter, heads, idle) = (FrameMeter(), 0, 0)
        for start in stride(from: 0, to: bytes.count, by: length) {
            let seen = meter.read(ByteBuffer(bytes: bytes[start..<min(start + length, bytes.count)]))
            heads += seen.heads
            idle += seen.idle
        }
        #expect(heads == 2)
        #expect(idle == 1)
        #expect(meter.unfinished == 300)
    }

    @Test func whatIsSentAllowsForAnswers() {
        var allowance = FrameAllowance(most: 100)
        #expect(allowance.spend(100) == true)
        #expect(allowance.spend(1) == false)

        allowance = FrameAllowance(most: 100)
        // A client that announces each frame of one byte, and each 4 KiB of long ones, twice.
        for _ in 0..<10_000 {
            allowance.sent(1)
            #expect(allowance.spend(2) == true)
            allowance.sent(16_384)
            #expect(allowance.spend(8) == true)
        }
        #expect(allowance.left > 100)
        #expect(allowance.spend(allowance.left) == true)
        allowance.began(1)
        #expect(allowance.left == FrameAllowance.ofRequest)
    }

    @Test func whatRequestsAllowDoesNotAddUp() {
        var allowance = FrameAllowance(most: 100)
        allowance.began(1000)
        #expect(allowance.left == 100)
    }

    /// Ten downloads of a client with windows of 4 MiB, which stopped and then announces each 4 KiB twice.
    @Test func whatAnswersAllowAddsUp() {
        var allowance = FrameAllowance(most: 1000)
        for _ in 0..<10 * 256 { allowance.sent(16_384) }
        #expect(allowance.spend(10 * 1024 * 2) == true)
        // Requests take nothing of it away.
        let left = allowance.left
        allowance.began(1)
        #expect(allowance.left == left)
        allowance.sent(1 << 40)
        #expect(allowance.left == FrameAllowance.mostOfAnswers)
    }
}
