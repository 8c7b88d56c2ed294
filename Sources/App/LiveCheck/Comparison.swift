import UpstreamHTTP

/// Compares the answers to one kind of call with what is expected of them.
struct Comparison {
    let expectations: CallExpectations
    let answers: AnswerLog.Calls
    let part: PartAnswer

    /// What was seen of a statement; nil where no answer is about it.
    typealias Seen = (isRight: Bool, text: String)?

    /// A finding for each statement, in their order.
    var findings: [Finding] {
        expectations.expectations.map { Finding(expectations.operation, $0, seen($0)) }
    }

    private typealias Answers = [(key: AnswerShape, value: Int)]

    private var successes: Answers { answers.shapes.filter { $0.key.isSuccess } }

    private func seen(_ expectation: Expectation) -> Seen {
        switch expectation.subject {
        case .status(let expected):
            let judged: Answers = answers.shapes.filter { $0.key.status != 429 && $0.key.status != 503 }
            return all(judged, { expected.contains($0.status) }, { ["\($0.status)"] })
        case .addressTaken:
            let judged: Answers = answers.shapes.filter { $0.key.isSuccess || [400, 404, 405].contains($0.key.status) }
            let isTaken = judged.contains { $0.key.isSuccess }
            return all(judged, { _ in isTaken }, { ["\($0.status)"] })
        case .emptyBody:
            return all(successes, { $0.hasBody == false }, { [$0.hasBody == true ? "a body" : "no body"] })
        case .bareEntity:
            return all(successes, { !$0.isWrapped }, { [$0.isWrapped ? "inside value" : "bare"] })
        case .knownState:
            return all(successes, { if case .known = $0.state { true } else { false } }, { [Self.text($0.state)] })
        case .member(let path, let forms, let presence):
            return member(path, forms, presence, isQuestion: expectation.standing == .unknown)
        case .header(let name, let forms, let presence):
            return header(name, forms, presence, isQuestion: expectation.standing == .unknown)
        case .mediaType:
            return all(
                successes,
                { $0.mediaType != nil },
                { [$0.mediaType ?? ($0.hasMediaType ? "another type" : "none")] }
            )
        case .parts:
            return part == .notAsked ? nil : (part == .sameBytes, part.rawValue)
        }
    }

    private func member(
        _ path: String,
        _ expected: Set<ValueForm>,
        _ presence: Expectation.Presence,
        isQuestion: Bool
    ) -> Seen {
        let relevant = successes(presence).filter { $0.key.members[path] != nil }
        func forms(_ shape: AnswerShape) -> Set<ValueForm> { shape.members[path] ?? [] }
        func texts(_ shape: AnswerShape) -> [String] { forms(shape).map(\.rawValue) }
        switch presence {
        case .always, .whenDone, .beforeDone:
            return all(relevant, { forms($0).allSatisfy { $0.fits(expected) } }, texts)
        case .never: return all(relevant, { forms($0) == [.absent] }, texts)
        case .sometimes:
            let present = relevant.filter { forms($0.key) != [.absent] }
            if present.isEmpty { return isQuestion && !relevant.isEmpty ? (false, "absent") : nil }
            return all(present, { forms($0).subtracting([.absent]).allSatisfy { $0.fits(expected) } }, texts)
        }
    }

    private func header(
        _ name: String,
        _ expected: Set<HeaderForm>,
        _ presence: Expectation.Presence,
        isQuestion: Bool
    ) -> Seen {
        let relevant = successes(presence)
        func texts(_ shape: AnswerShape) -> [String] {
            guard let forms = shape.headers[name] else { return ["absent"] }
            let wanted = forms.intersection(expected)
            return wanted.isEmpty ? ["present"] : wanted.map(\.rawValue)
        }
        switch presence {
        case .always, .whenDone, .beforeDone:
            return all(relevant, { shape in shape.headers[name].map { expected.isSubset(of: $0) } ?? false }, texts)
        case .never: return all(relevant, { $0.headers[name] == nil }, texts)
        case .sometimes:
            let present = relevant.filter { $0.key.headers[name] != nil }
            if present.isEmpty { return isQuestion && !relevant.isEmpty ? (false, "absent") : nil }
            return all(present, { shape in shape.headers[name].map { expected.isSubset(of: $0) } ?? false }, texts)
        }
    }

    /// The successes that a presence is about.
    private func successes(_ presence: Expectation.Presence) -> Answers {
        guard presence == .whenDone || presence == .beforeDone else { return successes }
        guard let words = expectations.state else { return [] }
        return successes.filter { answer in
            guard case .known(let word) = answer.key.state else { return false }
            let isDone = words.done.contains(word)
            return presence == .whenDone ? isDone : !isDone && !words.failed.contains(word)
        }
    }

    /// Whether something holds for all of these answers, and what they are like; nil without answers.
    private func all(
        _ answers: Answers,
        _ holds: (AnswerShape) -> Bool,
        _ texts: (AnswerShape) -> [String]
    ) -> Seen {
        guard !answers.isEmpty else { return nil }
        var counts: [String: Int] = [:]
        for (shape, count) in answers {
            for text in texts(shape) { counts[text, default: 0] += count }
        }
        let text = counts.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
        return (answers.allSatisfy { holds($0.key) }, text)
    }

    private static func text(_ state: AnswerShape.State?) -> String {
        switch state {
        case .known(let word): word
        case .other: "a word that is not in the list"
        case .absent, nil: "absent"
        }
    }
}
