import Exports
import HTTPTypes
import JSON
import ManualClock
import SystemCrypto
import Testing

@testable import GatewayAPI

@Suite struct ListExportsTests {
    @Test func pagesNewestFirst() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        var ids: [String] = []
        for _ in 1...5 {
            ids.append("\(gateway.service.put().id)")
            time.advance(by: .milliseconds(2))
        }
        var seen: [String] = []
        var target = "/exports?limit=2&status=running&connection=contoso&provider=power-bi"
        for page in 1...3 {
            let answer = try await gateway.call(.get, target)
            #expect(answer.status == 200)
            #expect(answer.headers[.cacheControl] == "no-store")
            seen += (answer.json["value"]?.array ?? []).compactMap { $0["id"]?.string }
            let cursor = answer.json["nextCursor"]?.string
            #expect((cursor == nil) == (page == 3))
            // An export that comes while we page changes nothing.
            _ = gateway.service.put()
            target = "/exports?status=running&limit=2&connection=contoso&provider=power-bi&cursor=\(cursor ?? "")"
        }
        #expect(seen == ids.reversed())
    }

    @Test func hasAnEmptyPage() async throws {
        let answer = try await TestGateway().call(.get, "/exports?createdAfter=2026-01-01T00:00:00%2B01:00")
        #expect(answer.body == "{\"value\":[]}")
    }

    @Test func countsFiftyUnlessTold() async throws {
        let gateway = TestGateway()
        for _ in 1...60 { _ = gateway.service.put() }
        #expect(try await gateway.call(.get, "/exports").json["value"]?.array?.count == 50)
        #expect(try await gateway.call(.get, "/exports?limit=200").json["value"]?.array?.count == 60)
    }

    @Test func aCursorIsForItsFilters() async throws {
        let gateway = TestGateway()
        _ = gateway.service.put()
        _ = gateway.service.put()
        let first = try await gateway.call(.get, "/exports?limit=1")
        let cursor = try #require(first.json["nextCursor"]?.string)
        #expect(try await gateway.call(.get, "/exports?cursor=\(cursor)").status == 200)
        let tampered = (cursor.first == "A" ? "B" : "A") + cursor.dropFirst()
        for target in [
            "/exports?status=running&cursor=\(cursor)", "/exports?cursor=\(tampered)", "/exports?cursor=",
            "/exports?cursor=\(cursor)A", "/exports?cursor=%3D%3D", "/exports?cursor=\(cursor.dropLast(8))",
            "/exports?cursor=\(String(repeating: "A", count: 600))",
        ] {
            let answer = try await gateway.call(.get, target)
            #expect(answer.status == 400)
            #expect(answer.code == "invalid-parameter")
            #expect(answer.json["parameter"]?.string == "cursor")
        }
        let other = TestGateway { $0.cursorKey = SecretBytes(Array(repeating: 8, count: 32)) }
        #expect(try await other.call(.get, "/exports?cursor=\(cursor)").status == 400)
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"), ("limit=1&limit=1", "limit"), ("status=done", "status"),
        ("provider=powerbi", "provider"), ("connection=", "connection"), ("connection=%00", "connection"),
        ("createdAfter=yesterday", "createdAfter"), ("createdAfter=2026-07-01T00:00:00+02:00", "createdAfter"),
        ("createdBefore=2026-07-01T00:00:00", "createdBefore"), ("createdBefore=2026-07-01", "createdBefore"),
        ("Limit=5", "Limit"), ("%6Cimit=0", "limit"), ("limt=5", "limt"), ("status=%zz", "status"),
        ("%ff=1", "%ff"), ("=1", ""), ("a+b=1", "a b"), ("status=%C0%80", "status"), ("$filter=1", "$filter"),
    ])
    func namesTheParameter(query: String, name: String) async throws {
        let answer = try await TestGateway().call(.get, "/exports?" + query)
        #expect(answer.status == 400)
        #expect(answer.code == "invalid-parameter")
        #expect(answer.json["parameter"]?.string == name)
    }

    @Test func suggestsTheParameter() async throws {
        let answer = try await TestGateway().call(.get, "/exports?stats=running")
        #expect(answer.json["detail"]?.string?.contains("did you mean \"status\"?") == true)
    }

    @Test func decodesNamesAndValues() async throws {
        let gateway = TestGateway()
        _ = gateway.service.put { $0.connection = "a b" }
        for query in ["connection=a+b", "connection=a%20b", "%63onnection=a%20b", "&connection=a+b&"] {
            #expect(try await gateway.call(.get, "/exports?" + query).json["value"]?.array?.count == 1)
        }
    }

    @Test func otherResourcesTakeNoQuery() async throws {
        let answer = try await TestGateway().call(.get, "/livez?verbose")
        #expect(answer.status == 400)
        #expect(answer.json["parameter"]?.string == "verbose")
    }
}
