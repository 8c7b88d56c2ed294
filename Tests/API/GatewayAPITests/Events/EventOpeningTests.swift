import Exports
import ManualClock
import NIOCore
import SystemCrypto
import Synchronization
import Testing

@testable import GatewayAPI

/// The beginning of a stream, while exports go on changing.
@Suite struct EventOpeningTests {
    private let service = FakeExportService(time: ManualTime())

    private func opening(_ scope: EventScope) -> EventOpening {
        EventOpening(
            service: service,
            viewer: .gateway,
            scope: scope,
            links: Links(base: nil, path: ["exports", "events"]),
            cursor: Cursor(key: SecretBytes(Array(repeating: 7, count: 32))),
            limit: 1
        )
    }

    private func blocks(_ snapshot: EventOpening.Snapshot) -> [String] {
        String(buffer: snapshot.text).split(separator: "\n\n").map { $0.split(separator: "\ndata: ")[0] }
            .map(String.init)
    }

    @Test func aSnapshotHasThePositionUpToWhichItGoes() async throws {
        let export = service.put()
        service.change(export.id) { $0.percentComplete = 1 }
        for scope in [EventScope.export(export.id), .exports(ExportFilter())] {
            let snapshot = try await opening(scope).snapshot(last: 2, begun: 2)
            #expect(blocks(snapshot) == ["event: snapshot\nid: 2"])
            #expect(snapshot.through == 2 && !snapshot.isOver)
        }
    }

    /// A client that is cut off between them has no position, and gets another snapshot.
    @Test func whatChangesWhileAPageIsReadFollowsItBeforeThePosition() async throws {
        let (old, new) = (service.put(), service.put())
        let service = service
        service.state.withLock { state in
            state.meanwhile = {
                service.change(old.id) { $0.percentComplete = 1 }
                service.change(new.id) { $0.percentComplete = 2 }
            }
        }
        let snapshot = try await opening(.exports(ExportFilter())).snapshot(last: 2, begun: 2)
        #expect(blocks(snapshot) == ["event: snapshot", "event: change", "event: change", "id: 4"])
        #expect(snapshot.through == 4)
        let text = String(buffer: snapshot.text)
        #expect(text.contains("\"percentComplete\":1") && text.contains("\"percentComplete\":2"))
    }

    @Test func whatThePageHasAlreadyIsNotToldAgain() async throws {
        let export = service.put()
        service.change(export.id) { $0.percentComplete = 1 }
        // The row of the last change comes after the position that was known, and before the page.
        let snapshot = try await opening(.exports(ExportFilter())).snapshot(last: 1, begun: 1)
        #expect(blocks(snapshot) == ["event: snapshot\nid: 2"])
    }

    @Test func anExportThatChangesMeanwhileIsTakenAsItIsThen() async throws {
        let export = service.put()
        let service = service
        service.state.withLock { state in
            state.meanwhile = {
                service.change(export.id) { export in
                    (export.status, export.completedAt, export.tracking) = (.succeeded, export.createdAt, nil)
                }
            }
        }
        let snapshot = try await opening(.export(export.id)).snapshot(last: 1, begun: 1)
        #expect(blocks(snapshot) == ["event: snapshot\nid: 2"])
        #expect(snapshot.isOver && String(buffer: snapshot.text).contains("succeeded"))
    }

    @Test func changesOfOthersAreNoneOfTheStreams() async throws {
        let (export, other) = (service.put(), service.put())
        service.change(other.id) { $0.percentComplete = 1 }
        let opening = opening(.export(export.id))
        #expect(try await !opening.hasChanges(after: 1, through: 3))
        #expect(try await opening.hasChanges(after: 0, through: 3))
        #expect(try await opening.page(after: 0, through: 3).frames.map(\.position) == [1])
        service.state.withLock { $0.unreadable = [3] }
        #expect(try await opening.hasChanges(after: 1, through: 3))
        #expect(try await opening.page(after: 0, through: 3).isIncomplete)
    }

    @Test func textIsAsTheStandardSays() throws {
        #expect(
            String(buffer: EventText.event("change", at: 7, Array("{}".utf8))) == "event: change\nid: 7\ndata: {}\n\n"
        )
        #expect(String(buffer: EventText.heartbeat(at: nil)) == ": heartbeat\n\n")
        #expect(String(buffer: EventText.heartbeat(at: 7)) == ": heartbeat\nid: 7\n\n")
        #expect(String(buffer: EventText.retry(.milliseconds(2_345))) == "retry: 2345\n\n")
        #expect(try EventText.position(lastEventID: "4711") == 4711)
        // Whatever an export is called, its event has one line of data.
        var export = Export.sample
        export.name = "a\nb\r\u{2028}\u{0}\n\nid: 9\n\n"
        let text = String(buffer: EventFrame(ExportChange(position: 1, export), after: export).text)
        #expect(text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r" || $0 == "\r\n" }.count == 5)
    }
}
