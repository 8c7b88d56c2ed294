import Exports
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import GatewayAPI

@Suite struct DirectAnswerHandlerTests {
    @Test func whatIsInMemoryIsAnsweredAndGoesNoFurther() throws {
        let connection = try DirectConnection()
        let id = connection.export.id
        try connection.send(
            DirectConnection.text("GET", "/exports/\(id)") + DirectConnection.text("HEAD", "/exports/\(id)")
                + DirectConnection.text("GET", "/exports/\(id)/operation")
        )
        let sent = try connection.sent()
        let answers = sent.split(separator: "HTTP/1.1 200 OK\r\n")
        #expect(answers.count == 3)
        for answer in answers { #expect(answer.contains("\r\nDate: ")) }
        let parts = answers[0].split(separator: "\r\n\r\n", maxSplits: 1)
        #expect(parts.count == 2)
        #expect(parts[0].contains("Content-Length: \(parts[1].utf8.count)"))
        #expect(answers[1].hasSuffix("\r\n\r\n"), "an answer to HEAD has a body")
        #expect(answers[1].contains("Content-Length: \(parts[1].utf8.count)"))
        #expect(try connection.passed().isEmpty)
    }

    @Test func whatIsNotCertainIsPassedOnWhole() throws {
        let others: [(String, String?, [String], String)] = [
            ("DELETE", nil, [], ""), ("GET", "/exports", [], ""), ("GET", "/exports/*?x=1", [], ""),
            ("GET", "/exports/*/", [], ""), ("GET", "/exports/*/files/1", [], ""),
            ("GET", nil, ["content-length: 4"], "body"), ("GET", nil, ["content-length: 0"], ""),
            ("GET", nil, ["connection: close"], ""), ("GET", nil, ["cache-control: no-cache"], ""),
            ("GET", nil, ["prefer: \(String(repeating: "x", count: 257))"], ""),
            ("GET", nil, ["accept: text/html"], ""),
            ("GET", nil, ["upstream-authorization: Bearer x"], ""),
            ("GET", nil, ["upstream-download-authorization: Bearer x"], ""), ("GET", nil, ["cookie: a=b"], ""),
            ("GET", nil, ["if-none-match: \(String(repeating: "x", count: 1025))"], ""),
            ("GET", nil, ["user-agent: \(String(repeating: "x", count: 70_000))"], ""),
        ]
        for (method, path, lines, body) in others {
            let connection = try DirectConnection()
            let path = path?.replacing("*", with: connection.export.id.description)
            try connection.ask(method, path, lines, body: body)
            let passed = try connection.passed()
            #expect(passed.count == (body.isEmpty ? 2 : 3), "\(method) \(path ?? "") \(lines)")
            guard case .head(let head)? = passed.first, case .end(nil)? = passed.last else {
                Issue.record("not whole")
                continue
            }
            #expect(head.headerFields.map { "\($0.name): \($0.value)" } == lines)
            #expect(try connection.sent().isEmpty)
            try connection.answerFromBehind()
            #expect(try connection.statuses() == [202])
            guard !lines.contains("connection: close") else { continue }
            try connection.ask()
            #expect(try connection.statuses() == [200])
        }
    }

    @Test func answersKeepTheOrderOfTheirRequests() throws {
        let connection = try DirectConnection()
        try connection.ask()
        try connection.ask("DELETE")
        try connection.ask()
        #expect(try connection.statuses() == [200])
        // What comes behind one that was passed on is passed on, too.
        #expect(try connection.passed().count == 4)
        try connection.answerFromBehind()
        try connection.ask()
        #expect(try connection.passed().count == 2)
        try connection.answerFromBehind()
        try connection.answerFromBehind()
        _ = try connection.sent()
        try connection.ask()
        #expect(try connection.statuses() == [200])
        #expect(try connection.passed().isEmpty)
    }

    @Test func aClientThatTakesNothingIsPassedOn() throws {
        let connection = try DirectConnection()
        connection.channel.isWritable = false
        try connection.ask()
        #expect(try connection.passed().count == 2)
        try connection.answerFromBehind()
        connection.channel.isWritable = true
        try connection.ask()
        #expect(try connection.passed().isEmpty)
    }

    /// Whoever announces a body, or waits to be asked for one, is judged by what has come, and delayed by nobody.
    @Test(arguments: ["content-length: 1", "transfer-encoding: chunked", "expect: 100-continue\r\ncontent-length: 1"])
    func aHeadWithABodyToComeIsPassedOnAtOnce(line: String) throws {
        let connection = try DirectConnection()
        try connection.ask("GET", nil, [line])
        let passed = try connection.passed()
        guard passed.count == 1, case .head? = passed.first else {
            Issue.record("it was held back")
            return
        }
    }

    /// TLS keeps what is not flushed, and looks writable all the while.
    @Test func manyAnswersOfOneReadDoNotPileUp() throws {
        let connection = try DirectConnection()
        let text = DirectConnection.text("GET", "/exports/\(connection.export.id)")
        try connection.send(String(repeating: text, count: 100))
        #expect(try connection.statuses().count == 100)
        #expect(try connection.passed().isEmpty)
    }

    @Test func whatIsLargeIsPassedOn() throws {
        let connection = try DirectConnection(files: 101)
        try connection.ask()
        #expect(try connection.passed().count == 2)
    }

    @Test func whatIsNoRequestIsAnsweredInItsTurn() throws {
        let connection = try DirectConnection()
        let text = DirectConnection.text("GET", "/exports/\(connection.export.id)")
        #expect(throws: Never.self) { try connection.send(text + "nonsense\r\n\r\n") }
        #expect(try connection.statuses() == [200, 400])
    }

    @Test func aConnectionInUseIsNotIdle() throws {
        let connection = try DirectConnection()
        for _ in 0..<4 {
            connection.channel.embeddedEventLoop.advanceTime(by: .seconds(50))
            try connection.ask()
        }
        #expect(connection.channel.isActive)
        #expect(try connection.statuses().count == 4)
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(150))
        #expect(!connection.channel.isActive)
        #expect(connection.idle.hasCut)
    }
}
