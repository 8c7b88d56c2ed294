import Exports
import Memory
import NIOCore
import NIOEmbedded
import Testing

@testable import GatewayAPI

/// What a connection holds of requests: the decisions, and what they do to a connection.
@Suite struct RequestBytesTests {
    private static let head = RequestBytes.Seen(hasHead: true, last: .head)
    private static let whole = RequestBytes.Seen(hasHead: true, last: .end)
    private static let body = RequestBytes.Seen(last: .body)
    private static let end = RequestBytes.Seen(last: .end)
    private static let nothing = RequestBytes.Seen()

    private static func charge(_ held: Int) -> Int { held * RequestBytes.cost }

    @Test func whatIsAnsweredAtOnceIsNotHeld() {
        var bytes = RequestBytes()
        for _ in 0..<100 {
            bytes.read(60_000, Self.whole, isBusy: false)
            #expect(bytes.charge == 0 && !bytes.isFull && !bytes.isHeadAlone)
        }
    }

    @Test func anUnfinishedHeadIsHeldBeyondTheAllowance() {
        var bytes = RequestBytes()
        bytes.read(RequestBytes.allowance, Self.nothing, isBusy: false)
        #expect(bytes.charge == 0 && bytes.isHeadAlone)
        bytes.read(1, Self.nothing, isBusy: false)
        #expect(bytes.charge == Self.charge(RequestBytes.allowance + 1))
        // It is read to its end, however long it is.
        bytes.read(60_000, Self.nothing, isBusy: false)
        #expect(!bytes.isFull)
        bytes.read(10, Self.whole, isBusy: true)
        #expect(!bytes.isHeadAlone && bytes.unfinished == 0)
        #expect(bytes.charge == Self.charge(RequestBytes.allowance + 60_011))
        #expect(!bytes.isFull)
        bytes.ended(isBusy: false)
        #expect(bytes.charge == 0)
    }

    @Test func aBodyThatNobodyWantsIsReadALittle() {
        var bytes = RequestBytes()
        bytes.read(300, Self.head, isBusy: true)
        bytes.read(RequestBytes.readAhead, Self.body, isBusy: true)
        #expect(!bytes.isFull)
        bytes.read(1, Self.body, isBusy: true)
        #expect(bytes.isFull && bytes.charge == Self.charge(RequestBytes.readAhead + 301))
        // From then on whoever reads it counts it.
        bytes.wantBody()
        #expect(!bytes.isFull && bytes.charge == 0)
        bytes.read(200_000, Self.body, isBusy: true)
        bytes.read(200_000, Self.end, isBusy: true)
        #expect(!bytes.isFull && bytes.charge == 0)
        // The next request's body is another one.
        bytes.ended(isBusy: false)
        bytes.read(300, Self.head, isBusy: true)
        bytes.read(RequestBytes.readAhead + 1, Self.body, isBusy: true)
        #expect(bytes.isFull)
        // An early answer: what still comes is dropped.
        bytes.ended(isBusy: false)
        bytes.read(100_000, Self.body, isBusy: false)
        #expect(!bytes.isFull && bytes.charge == 0)
    }

    @Test func trailersOfABodyThatIsReadAreHeld() {
        var bytes = RequestBytes()
        bytes.read(300, Self.head, isBusy: true)
        bytes.wantBody()
        bytes.read(5000, Self.nothing, isBusy: true)
        #expect(bytes.charge == Self.charge(5300) && !bytes.isHeadAlone)
    }

    @Test func whatComesBehindARequestUnderWayIsReadALittle() {
        var bytes = RequestBytes()
        bytes.read(300, Self.whole, isBusy: true)
        for _ in 0..<4 { bytes.read(RequestBytes.readAhead / 4, Self.whole, isBusy: true) }
        #expect(!bytes.isFull)
        bytes.read(1, Self.nothing, isBusy: true)
        #expect(bytes.isFull && !bytes.isHeadAlone)
        bytes.ended(isBusy: true)
        #expect(bytes.isFull)
        bytes.ended(isBusy: false)
        // The head that has begun goes on.
        #expect(!bytes.isFull && bytes.unfinished == 1 && bytes.isHeadAlone)
    }

    // On a connection

    /// The memory that is reserved for heads.
    private func reserved(_ connection: DirectConnection) -> Int { connection.gateway.memory.reserved(.head) }

    private static func longHead(_ connection: DirectConnection, _ count: Int) -> String {
        "GET /exports/\(connection.export.id) HTTP/1.1\r\nhost: x\r\nuser-agent: \(String(repeating: "x", count: count))"
    }

    @Test func aLongHeadIsReservedWhileItComesAndIsAnswered() throws {
        let connection = try DirectConnection()
        try connection.send(Self.longHead(connection, 3000))
        #expect(reserved(connection) == 0)
        try connection.send(String(repeating: "x", count: 30_000))
        #expect(reserved(connection) > 33_000 * RequestBytes.cost)
        try connection.send("\r\n\r\n")
        #expect(try connection.statuses() == [200])
        #expect(reserved(connection) == 0)
        // One that comes whole never is.
        try connection.send(Self.longHead(connection, 30_000) + "\r\n\r\n")
        #expect(try connection.statuses() == [200])
        #expect(reserved(connection) == 0)
    }

    @Test func aLongHeadIsReservedWhileItsRequestIsUnderWay() throws {
        let connection = try DirectConnection()
        try connection.ask("GET", "/exports", ["user-agent: \(String(repeating: "x", count: 30_000))"])
        #expect(try connection.passed().count == 2)
        #expect(reserved(connection) > 30_000 * RequestBytes.cost)
        try connection.answerFromBehind()
        connection.run()
        #expect(reserved(connection) == 0)
    }

    @Test func requestsOneAfterTheOtherAreNotHeldTogether() throws {
        let connection = try DirectConnection()
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        for number in 1...100 {
            try connection.ask("GET", "/exports", ["user-agent: \(String(repeating: "x", count: 1000))"])
            connection.channel.read()
            #expect(reads.count == number && reserved(connection) == 0)
            try connection.answerFromBehind()
            connection.run()
        }
    }

    @Test func whatAConnectionReservedEndsWithIt() throws {
        let connection = try DirectConnection()
        try connection.send(Self.longHead(connection, 30_000))
        #expect(reserved(connection) > 0)
        try connection.channel.close().wait()
        connection.run()
        #expect(reserved(connection) == 0)
    }

    @Test func whereThereIsNoMemoryALongHeadIsAnsweredWith503() throws {
        let connection = try DirectConnection(memory: 16 << 10)
        // Short ones always get through.
        try connection.ask()
        #expect(try connection.statuses() == [200])
        try connection.send(Self.longHead(connection, 30_000))
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 503 ") && sent.contains("\"code\":\"unavailable\""))
        #expect(sent.lowercased().contains("retry-after: 1\r\n") && sent.lowercased().contains("connection: close\r\n"))
        try connection.send("\r\n\r\n")
        #expect(try connection.sent().isEmpty)
        #expect(reserved(connection) == 0)
    }

    @Test func aBodyThatNobodyWantsIsNotReadOn() throws {
        let connection = try DirectConnection()
        try connection.ask("PUT", "/exports", ["content-length: 200000"], body: String(repeating: "x", count: 3000))
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        connection.channel.read()
        #expect(reads.count == 1)
        try connection.send(String(repeating: "x", count: RequestBytes.readAhead + 1))
        connection.channel.read()
        #expect(reads.count == 1)
        connection.channel.triggerUserOutboundEvent(ConnectionHandler.BodyWanted(isExpected: false), promise: nil)
        #expect(reads.count == 2)
        #expect(reserved(connection) == 0)
    }
}
