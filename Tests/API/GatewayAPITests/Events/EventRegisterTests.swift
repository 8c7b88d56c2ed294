import Exports
import Testing

@testable import GatewayAPI

/// Who is told of which change, and when.
@Suite struct EventRegisterTests {
    private let export = Export.sample
    private let other = Export.sample

    private func register(_ configure: (inout EventSettings) -> Void = { _ in }) -> EventRegister<String> {
        var settings = EventSettings()
        configure(&settings)
        return EventRegister(settings: settings)
    }

    private func page(_ changes: [ExportChange]) -> ChangePage {
        ChangePage(changes: changes, through: changes.last?.position ?? 0, hasMore: false)
    }

    private func filter(_ change: (inout ExportFilter) -> Void) -> EventScope {
        var filter = ExportFilter()
        change(&filter)
        return .exports(filter)
    }

    @Test func whoFollowsAnExportIsToldOfIt() {
        var register = register()
        _ = register.add("one", .export(export.id), last: 4, at: .zero)
        _ = register.add("other", .export(other.id), last: 4, at: .zero)
        _ = register.add("all", filter { _ in }, last: 4, at: .zero)
        let changes = [ExportChange(position: 5, export), ExportChange(position: 6, other)]
        let told = register.read(page(changes), of: 1) ?? []
        #expect(told.map(\.change.position) == [5, 6])
        #expect(told.map { Set($0.streams) } == [["one", "all"], ["other", "all"]])
        #expect(register.position == 6)
        // Until they are added to the streams, nobody may say that they were told.
        #expect(register.told == 4)
        register.told(through: 6, of: 1)
        #expect(register.told == 6)
    }

    @Test func whoComesLaterBeginsAfterWhatWasRead() {
        var register = register()
        #expect(register.position == nil)
        #expect(register.add("first", .export(export.id), last: 4, at: .zero).position == 4)
        _ = register.read(page([ExportChange(position: 9, export)]), of: 1)
        #expect(register.add("second", .export(export.id), last: 4, at: .zero).position == 9)
    }

    @Test func nobodyFollowsWithoutStreams() {
        var register = register()
        let (key, _) = register.add("one", .export(export.id), last: 4, at: .zero)
        register.remove(key)
        register.remove(key)
        #expect(register.position == nil)
        // A page that was being read meanwhile.
        #expect(register.read(page([ExportChange(position: 5, export)]), of: 1) == nil)
        #expect(register.position == nil)
        #expect(register.add("two", .export(export.id), last: 7, at: .zero).position == 7)
        #expect(register.told == 7)
    }

    /// The last stream ends while a page is read for it, and the next one begins at an older position than the page's.
    @Test func aPageOfAnEarlierReadingIsNotTold() throws {
        var register = register()
        let (key, _) = register.add("one", .export(export.id), last: 90, at: .zero)
        let asked = try #require(register.next)
        #expect(asked.position == 90)
        register.remove(key)
        #expect(register.add("two", .export(export.id), last: 80, at: .zero).position == 80)
        #expect(register.read(page([ExportChange(position: 95, export)]), of: asked.reading) == nil)
        register.told(through: 95, of: asked.reading)
        #expect(register.position == 80)
        #expect(register.told == 80)
        let next = try #require(register.next)
        #expect(next.position == 80)
        #expect(register.read(page([ExportChange(position: 81, export)]), of: next.reading)?.count == 1)
    }

    @Test func aFilterTakesWhatTheChangeSays() {
        let time = export.createdAt
        let taken = [
            filter { $0.createdBy = "tests" }, filter { $0.status = .notStarted }, filter { $0.createdAfter = time },
            filter { $0.createdBefore = time + .milliseconds(1) }, filter { $0.provider = export.provider },
            filter { $0.connection = "contoso" },
        ]
        let left = [
            filter { $0.createdBy = "another" }, filter { $0.status = .running },
            filter { $0.createdAfter = time + .milliseconds(1) }, filter { $0.createdBefore = time },
            filter { $0.provider = ProviderID("intune") }, filter { $0.connection = "fabrikam" },
        ]
        let change = ExportChange(position: 1, export)
        for scope in taken { #expect(scope.mayTake(change) && scope.takes(change, of: export), "\(scope)") }
        for scope in left { #expect(!scope.takes(change, of: export), "\(scope)") }
        // What the change does not say is not held against it before the export was looked up.
        #expect(left.map { $0.mayTake(change) } == [false, false, false, false, true, true])
    }

    @Test func placesHaveTheirLimits() throws {
        var register = register {
            $0.maximumStreams = 3
            $0.streamsPerCaller = 2
        }
        func refusal(_ caller: String) -> ProblemCode? {
            do {
                try register.takePlace(of: caller)
                return nil
            } catch {
                #expect(error.retryAfter != nil)
                return error.code
            }
        }
        #expect([refusal("a"), refusal("a"), refusal("a")] == [nil, nil, .tooManyRequests])
        #expect([refusal("b"), refusal("c")] == [nil, .unavailable])
        register.giveBackPlace(of: "a")
        #expect([refusal("c"), refusal("a")] == [nil, .unavailable])
    }

    @Test func heartbeatsAndEndsAreDueInTheirTime() {
        var register = register {
            $0.heartbeat = .seconds(15)
            $0.longestStream = .seconds(40)
        }
        _ = register.add("early", filter { _ in }, last: 0, at: .zero)
        _ = register.add("late", filter { _ in }, last: 0, at: .seconds(10))
        func due(_ second: Int) -> [String] {
            register.due(at: .seconds(second)).map { "\($0) \($1)" }.sorted()
        }
        #expect(due(14) == [])
        #expect(due(16) == ["early beat"])
        #expect(due(25) == ["late beat"])
        #expect(due(30) == [])
        #expect(due(31) == ["early beat"])
        #expect(due(41) == ["early end", "late beat"])
        #expect(due(50) == ["early end", "late end"])
    }
}
