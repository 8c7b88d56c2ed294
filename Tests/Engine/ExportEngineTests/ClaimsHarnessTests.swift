import ExportLedger
import Exports
import Foundation
import Testing
import TestSupport

@testable import ExportEngine

/// Rows A1 and A2 of the article "Faults that were found", by lot: a file whose upstream answers rightly and wrongly, in any
/// order, with pauses, half of the wrong answers equal to each other.
@Suite(.timeLimit(.minutes(5))) struct ClaimsHarnessTests {
    @Test func nothingIsLostForGoodAndNothingWrongIsConfirmedByOne() {
        let seed = SeededRandom.anySeed
        var faults: [String] = []
        var replaced = 0
        for round in 0..<10_000 {
            var run = HarnessRun(lot: SeededRandom(seed: seed &+ UInt64(round)), rules: ClaimRules())
            run.play()
            faults += run.faults.map { "round \(round): \($0)" }
            if run.wasWrong { replaced += 1 }
        }
        print(
            "claims harness: seed \(seed), 10000 rounds, \(faults.count) faults, \(replaced) times a wrong digest replaced"
        )
        #expect(faults.isEmpty, "seed \(seed): \(faults.prefix(5))")
        // Otherwise it proves nothing of that.
        #expect(replaced > 100)
    }

    @Test func theRulesThatTookTheFirstForTheTruthFail() {
        let seed = SeededRandom.anySeed
        var lost = 0
        for round in 0..<10_000 {
            var run = HarnessRun(lot: SeededRandom(seed: seed &+ UInt64(round)), rules: FirstIsTruth())
            run.play()
            // They know nothing of confirming: what counts is that nobody gets the file any more.
            if run.faults.contains(where: { $0.hasPrefix("not delivered") || $0.hasPrefix("expired") }) { lost += 1 }
        }
        print("claims harness with the former rules: seed \(seed), \(lost) of 10000 rounds with faults")
        #expect(lost > 1000)
    }
}

/// What an upstream has for a file: no bytes, but what there is to tell of them.
struct Content: Hashable {
    var size: Int64
    var digest: String

    static let right = Content(size: 20_005, digest: "right")
    static let wrong = Content(size: 84, digest: "wrong")
}

/// The upstream of one round.
struct HarnessUpstream {
    enum Answer {
        case body(Content, tellsLength: Bool)
        case failure(ProviderError.Code)
    }

    var lot: SeededRandom
    /// From here on it answers rightly, and always in the same framing: whether it tells the length.
    var rightFraming: Bool?
    var now = Life.start
    /// How often each content was served, or announced.
    private(set) var served: [Content: Int] = [:]
    /// Answers on the job that say that there is none, in a row: an upstream that goes on with that means it.
    private var misses = 0

    init(lot: SeededRandom) { self.lot = lot }

    mutating func answer() -> Answer {
        now = now + .seconds(Int64.random(in: 0...40, using: &lot))
        let tellsLength = rightFraming ?? Bool.random(using: &lot)
        let draw = rightFraming != nil ? 0 : Int.random(in: 0..<10, using: &lot)
        var content = Content.right
        switch draw {
        case 0...3: break
        case 4, 5: content = .wrong
        case 6, 7:
            let sizes: [Int64] = [0, 84, 10_000, 20_005, 40_000]
            content = Content(
                size: sizes.randomElement(using: &lot) ?? 0,
                digest: "other-\(UInt64.random(in: 0..<(1 << 40), using: &lot))"
            )
        default: return .failure([.gone, .notFound, .forbidden].randomElement(using: &lot) ?? .gone)
        }
        served[content, default: 0] += 1
        return .body(content, tellsLength: tellsLength)
    }

    /// What it says of the job, which is always there.
    mutating func word() -> FileWord {
        now = now + .seconds(Int64.random(in: 0...10, using: &lot))
        let words: [FileWord] = rightFraming != nil ? [.listed] : [.listed, .listed, .notListed, .unknownJob, .silent]
        var word = words.randomElement(using: &lot) ?? .listed
        misses = word == .unknownJob ? misses + 1 : word == .silent ? misses : 0
        // A minute of it in a row, and no more.
        if misses > 1 { (word, misses) = (.listed, 0) }
        return word
    }
}

/// The rules under which one file is delivered.
protocol HarnessRules {
    var file: ExportFile { get }
    var isExpired: Bool { get }
    /// One download: what was delivered whole, nil where nothing was.
    mutating func download(from upstream: inout HarnessUpstream) -> Content?
}

/// One round: answers by lot, then right ones.
struct HarnessRun<Rules: HarnessRules> {
    private var upstream: HarnessUpstream
    private var rules: Rules
    private(set) var faults: [String] = []
    /// Whether something wrong was confirmed when the right answers began.
    private(set) var wasWrong = false

    init(lot: SeededRandom, rules: Rules) {
        upstream = HarnessUpstream(lot: lot)
        self.rules = rules
    }

    mutating func play() {
        for _ in 0..<Int.random(in: 1...14, using: &upstream.lot) { step() }
        wasWrong = rules.file.digestState == .confirmed && rules.file.sha256 != Content.right.digest
        upstream.rightFraming = Bool.random(using: &upstream.lot)
        var tries = 1
        while tries <= 3, step() != .right { tries += 1 }
        if tries > 3 { faults.append("not delivered in three downloads of the right file") }
        for _ in 0..<2 { step() }
        if rules.file.sha256 != Content.right.digest || rules.file.digestState != .confirmed {
            faults.append("the right digest is not confirmed after it was delivered three times")
        }
    }

    @discardableResult
    private mutating func step() -> Content? {
        let content = rules.download(from: &upstream)
        if rules.isExpired { faults.append("expired, though the job stands") }
        if let digest = rules.file.sha256, digest != Content.right.digest, rules.file.digestState == .confirmed {
            let count = upstream.served.filter { $0.key.digest == digest }.values.reduce(0, +)
            if count < 2 { faults.append("\(digest) is confirmed after \(count) answers") }
        }
        return content
    }
}

/// The gateway's rules: what `DownloadRelay` and `ExportEngine.open` decide, in short, around the state machines themselves.
struct ClaimRules: HarnessRules {
    private var life = Self.succeeded()
    private var downloads = 0

    var file: ExportFile { life.export.files[0] }
    var isExpired: Bool { life.export.status == .expired }

    private static func succeeded() -> Life {
        var life = Life.tracked()
        var observation = Observation(.succeeded, upstreamStatus: "Succeeded")
        observation.files = [ExportFile(id: "1", name: "a.csv")]
        life.take(.observed(observation))
        return life
    }

    mutating func download(from upstream: inout HarnessUpstream) -> Content? {
        downloads += 1
        let record = file
        guard var (content, tellsLength) = open(&upstream) else { return nil }
        var held = record
        if tellsLength, let size = record.size, content.size != size {
            guard let second = open(&upstream) else { return nil }
            if second.tellsLength, second.content.size != size {
                if record.sizeState == .confirmed {
                    note(record, second.content.size, nil, isDelivered: false)
                    return nil
                }
                guard second.content.size == content.size else { return nil }
                held = ExportFile(id: record.id, name: record.name)
            }
            (content, tellsLength) = second
        }
        if !tellsLength, let size = held.size, content.size > size {
            note(held, nil, nil, isDelivered: false)
            return nil
        }
        if !tellsLength, let size = held.size, content.size < size {
            // It is read again, to see whether it breaks off there.
            guard let again = open(&upstream), again.content == content, !again.tellsLength else { return nil }
            note(held, content.size, content.digest, isDelivered: false)
            return nil
        }
        let isRight = held.sha256.map { $0 == content.digest } ?? true
        note(held, content.size, content.digest, isDelivered: isRight)
        return isRight ? content : nil
    }

    private mutating func note(_ held: ExportFile, _ size: Int64?, _ digest: String?, isDelivered: Bool) {
        var generator = SeededRandom(seed: UInt64(downloads))
        var delivery = Delivery(
            id: ExportID(at: life.now, random: &generator),
            exportID: life.export.id,
            fileID: "1",
            caller: "alice",
            requestID: "r",
            startedAt: life.now,
            endedAt: life.now,
            coding: "identity",
            outcome: isDelivered ? .whole : .broken
        )
        delivery.readings = [FileReading(of: held, size: size, sha256: digest, isDelivered: isDelivered)]
        life.take(.delivered(delivery))
    }

    private mutating func open(_ upstream: inout HarnessUpstream) -> (content: Content, tellsLength: Bool)? {
        let first = upstream.answer()
        life.now = upstream.now
        guard case .failure(let code) = first else { return first.content }
        let word = upstream.word()
        life.now = upstream.now
        life.take(.filesAsked(word))
        guard word == .listed, code != .forbidden, !isExpired else { return nil }
        let second = upstream.answer()
        life.now = upstream.now
        return second.content
    }
}

extension HarnessUpstream.Answer {
    fileprivate var content: (content: Content, tellsLength: Bool)? {
        if case .body(let content, let tellsLength) = self { (content, tellsLength) } else { nil }
    }
}

/// The rules that were wrong: the first whole delivery is the file for ever, and one "not there" its end.
struct FirstIsTruth: HarnessRules {
    private(set) var file = ExportFile(id: "1", name: "a.csv")
    private(set) var isExpired = false

    mutating func download(from upstream: inout HarnessUpstream) -> Content? {
        guard !isExpired else { return nil }
        switch upstream.answer() {
        case .failure(.forbidden): return nil
        case .failure:
            isExpired = true
            return nil
        case .body(let content, _):
            if let size = file.size, size != content.size { return nil }
            if let digest = file.sha256, digest != content.digest { return nil }
            file.size = content.size
            file.sha256 = content.digest
            file.digestState = .claimed
            return content
        }
    }
}
