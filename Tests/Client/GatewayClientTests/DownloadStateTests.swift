import NIOHTTP1
import Testing

@testable import GatewayClient

@Suite struct DownloadStateTests {
    private static func whole(_ length: Int? = nil, tag: String? = nil, digest: String? = nil) -> DownloadHead {
        var head = DownloadHead(fields: [:])
        (head.length, head.validator, head.sha256) = (length.map(Int64.init), tag, digest)
        return head
    }

    private static func part(_ first: Int64, of total: Int64, tag: String? = "\"a\"") -> DownloadHead {
        var head = DownloadHead(isPart: true, fields: ["Content-Range": "bytes \(first)-\(total - 1)/\(total)"])
        head.validator = tag
        return head
    }

    @Test func goesOnBehindTheLastByte() {
        var state = DownloadState(size: nil, sha256: nil)
        #expect(state.request == .init(offset: 0))
        #expect(state.opened(Self.whole(100, tag: "\"a\"")) == .beginsAgain)
        state.received(40)
        #expect(state.broke() == true)
        #expect(state.request == .init(offset: 40, validator: "\"a\""))
        #expect(state.opened(Self.part(40, of: 100)) == .appends)
        #expect(state.broke() == false)
        state.received(60)
        #expect(state.hasAll)
        #expect(state.ended(trailer: nil) == .complete)
        #expect((state.offset, state.fetched, state.pieces) == (100, 100, 2))
    }

    @Test func anotherVersionBeginsAgain() {
        var state = DownloadState(size: nil, sha256: nil)
        _ = state.opened(Self.whole(100, tag: "\"a\""))
        state.received(40)
        _ = state.broke()
        #expect(state.opened(Self.whole(90, tag: "\"b\"")) == .beginsAgain)
        #expect((state.offset, state.total, state.validator) == (0, 90, "\"b\""))
    }

    @Test func withoutAStrongValidatorItBeginsAgain() {
        var state = DownloadState(size: nil, sha256: nil)
        _ = state.opened(Self.whole(100))
        state.received(40)
        // Forty bytes are more than none, once.
        _ = state.broke()
        #expect(state.request == .init(offset: 0))
        _ = state.opened(Self.whole(100))
        state.received(40)
        #expect(state.broke() == false)
    }

    @Test(arguments: [
        part(30, of: 100), part(40, of: 99), part(40, of: 100, tag: "\"b\""), part(40, of: 100, tag: nil),
        DownloadHead(isPart: true, fields: [:]),
    ])
    func aPartThatWasNotAskedForIsNotTaken(head: DownloadHead) {
        var state = DownloadState(size: nil, sha256: nil)
        _ = state.opened(Self.whole(100, tag: "\"a\""))
        state.received(40)
        _ = state.broke()
        #expect(state.opened(head) == .unusable)
        #expect(state.request == .init(offset: 0))
    }

    @Test func aPartOfNothingIsNotTaken() {
        var state = DownloadState(size: nil, sha256: nil)
        #expect(state.opened(Self.part(0, of: 10)) == .unusable)
    }

    @Test func aBodyThatEndsTooEarlyIsShort() {
        var state = DownloadState(size: 100, sha256: nil)
        _ = state.opened(Self.whole())
        state.received(50)
        #expect(state.ended(trailer: nil) == .short)
        // The digest of what was sent is worth more than a size that somebody claimed.
        #expect(state.ended(trailer: "x") == .complete)
        #expect(state.verdict(on: "x") == .whole)
    }

    @Test func theLatestDigestCounts() {
        var state = DownloadState(size: nil, sha256: "record")
        #expect(state.verdict(on: "record") == .whole)
        _ = state.opened(Self.whole(nil, digest: "head"))
        #expect(state.verdict(on: "record") == .wrong(expected: "head"))
        _ = state.ended(trailer: "trailer")
        #expect(state.verdict(on: "trailer") == .whole)
        #expect(DownloadState(size: nil, sha256: nil).verdict(on: "x") == .unknown)
    }

    @Test func theTrailerOfAPartIsNotThatOfTheFile() {
        var state = DownloadState(size: nil, sha256: nil, part: .init(offset: 10, validator: "\"a\"", total: 20))
        #expect(state.request == .init(offset: 10, validator: "\"a\""))
        _ = state.opened(Self.part(10, of: 20))
        state.received(10)
        _ = state.ended(trailer: "of the part")
        #expect(state.verdict(on: "x") == .unknown)
    }

    @Test func whatIsAllThereIsNotAskedFor() {
        let state = DownloadState(size: nil, sha256: nil, part: .init(offset: 20, validator: "\"a\"", total: 20))
        #expect(state.hasAll)
        var other = DownloadState(size: nil, sha256: nil)
        _ = other.opened(Self.whole(0))
        #expect(!other.hasAll)
    }

    @Test func aLengthThatWasNotTheGatewaysIsDropped() {
        var state = DownloadState(size: nil, sha256: nil)
        _ = state.opened(Self.whole(50, tag: "\"a\""))
        state.received(50)
        #expect(state.hasAll)
        state.announcedTooLittle()
        #expect(!state.hasAll)
        #expect(state.request == .init(offset: 50, validator: "\"a\""))
        #expect(state.opened(Self.part(50, of: 100)) == .appends)
    }
}
