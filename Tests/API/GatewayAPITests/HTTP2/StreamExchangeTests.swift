import Testing

@testable import GatewayAPI

/// The one request and answer of a stream of HTTP/2.
@Suite struct StreamExchangeTests {
    @Test func anAnswerEndsTheStreamWhereTheRequestHasEnded() {
        var exchange = StreamExchange()
        exchange.readHead()
        exchange.readEnd()
        #expect(!exchange.isReading)
        #expect(exchange.writeEnd() == false)
        #expect(!exchange.isPassedOn)
    }

    @Test func anUploadThatIsAnsweredEarlyIsEnded() {
        var exchange = StreamExchange()
        exchange.readHead()
        #expect(exchange.isPassedOn)
        #expect(exchange.writeEnd() == true)
        #expect(!exchange.isPassedOn)
        exchange.readEnd()
        #expect(!exchange.isReading)
    }

    @Test func aHeadWithAFaultIsAnsweredOnce() {
        var exchange = StreamExchange()
        #expect(exchange.refuse() == .answer)
        #expect(!exchange.isPassedOn)
        #expect(exchange.refuse() == .nothing)
        // A body may follow, whatever the head was.
        #expect(exchange.writeEnd() == true)
    }

    @Test func aFaultBreaksTheAnswerOff() {
        var exchange = StreamExchange()
        exchange.readHead()
        #expect(exchange.refuse() == .breakOff)
        var ended = StreamExchange()
        ended.readHead()
        _ = ended.writeEnd()
        #expect(ended.refuse() == .nothing)
    }
}
