import Testing

@testable import GatewayAPI

@Suite struct ExchangeTests {
    @Test func anOrdinaryExchangeKeepsTheConnection() {
        var exchange = Exchange()
        for _ in 1...2 {
            #expect(exchange.readHead(isHead: false) == .forward)
            #expect(exchange.readBody() == .forward)
            #expect(exchange.readEnd() == .forward)
            #expect(exchange.writeHead() == .init(closes: false))
            #expect(exchange.writeEnd() == .init(isHead: false, closes: false))
        }
    }

    @Test func anEarlyAnswerEndsTheConnection() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false)
        #expect(exchange.writeHead() == .init(closes: true))
        #expect(exchange.writeEnd() == .init(isHead: false, closes: true))
        #expect(exchange.readBody() == .forward)
        #expect(exchange.readEnd() == .forwardAndClose)
        #expect(exchange.readHead(isHead: false) == .drop)
    }

    @Test func anUploadThatEndsDuringTheAnswerIsStillEarly() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false)
        #expect(exchange.writeHead() == .init(closes: true))
        #expect(exchange.readEnd() == .forward)
        #expect(exchange.writeEnd() == .init(isHead: false, closes: true))
    }

    @Test func theNextUploadDoesNotMakeThisAnswerEarly() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: true)
        _ = exchange.readEnd()
        _ = exchange.readHead(isHead: false)
        #expect(exchange.writeHead() == .init(closes: false))
        #expect(exchange.writeEnd() == .init(isHead: true, closes: false))
    }

    @Test func nonsenseIsAnsweredInItsTurn() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false)
        _ = exchange.readEnd()
        let now = exchange.readFailure(.malformed)
        #expect(now.answerNow == nil && !now.inBody)
        #expect(exchange.readBody() == .drop)
        #expect(exchange.readEnd() == .drop)
        #expect(exchange.writeHead() == .init(closes: false))
        #expect(exchange.writeEnd() == .init(isHead: false, closes: false, failure: .malformed))
        #expect(exchange.readHead(isHead: false) == .drop)
    }

    @Test func nonsenseAtOnceIsAnsweredAtOnce() {
        var exchange = Exchange()
        #expect(exchange.readFailure(.headerTooLarge).answerNow == .headerTooLarge)
        #expect(exchange.readFailure(.malformed).answerNow == nil)
    }

    @Test func nonsenseInABodyBelongsToItsRequest() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false)
        let now = exchange.readFailure(.malformed)
        #expect(now.answerNow == nil && now.inBody)
        #expect(exchange.writeHead() == .init(closes: true))
    }

    @Test func anOldRequestEndsTheConnectionInItsTurn() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false)
        _ = exchange.readEnd()
        #expect(exchange.readHead(isHead: false, isOld: true) == .forward)
        #expect(exchange.readBody() == .forward)
        #expect(exchange.readEnd() == .forward)
        #expect(exchange.readHead(isHead: false) == .drop)
        #expect(exchange.readFailure(.malformed).answerNow == nil)
        #expect(exchange.writeHead(hasLength: false) == .init(closes: false))
        #expect(exchange.writeEnd() == .init(isHead: false, closes: false))
        #expect(exchange.writeHead() == .init(closes: true))
        #expect(exchange.writeEnd() == .init(isHead: false, closes: true))
    }

    @Test func anOldRequestIsRefusedWhatHasNoLength() {
        var exchange = Exchange()
        _ = exchange.readHead(isHead: false, isOld: true)
        _ = exchange.readEnd()
        #expect(exchange.writeHead(hasLength: false) == .init(closes: true, isRefused: true))
        var head = Exchange()
        _ = head.readHead(isHead: true, isOld: true)
        _ = head.readEnd()
        #expect(head.writeHead(hasLength: false) == .init(closes: true))
    }
}
