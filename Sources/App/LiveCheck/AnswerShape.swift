import Exports
import JSON
import UpstreamHTTP

/// What is kept of one answer: forms, and words of closed lists. No value of the answer is in it.
struct AnswerShape: Hashable, Sendable {
    /// The job's state as the answer tells it.
    enum State: Hashable, Sendable {
        case known(String)
        /// A word that is not in the list: it is not kept.
        case other
        case absent
    }

    var status: Int
    /// Whether the answer has a body; nil for a download.
    var hasBody: Bool?
    /// Whether the entity is inside `value`.
    var isWrapped = false
    /// Nil where no state is expected.
    var state: State?
    /// The forms of the header fields that are present, of those that the expectations name.
    var headers: [String: Set<HeaderForm>] = [:]
    /// The entry of the expected media types that the answer's fits.
    var mediaType: String?
    var hasMediaType = false
    /// The forms at each path that the expectations name. A path below an array without elements is left out.
    var members: [String: Set<ValueForm>] = [:]
    /// The names of other members that may be shown.
    var otherMembers: [String] = []
    /// How many other members have names that are not shown.
    var unnamedMembers = 0

    var isSuccess: Bool { (200...299).contains(status) }

    /// The shape of a whole answer.
    init(_ answer: UpstreamResponse, _ expectations: CallExpectations) {
        self.init(status: answer.status, headers: answer.headers, expectations)
        hasBody = !answer.body.isEmpty
        guard isSuccess else { return }
        var entity = answer.json ?? .null
        if let inner = entity.member("value"), inner.object != nil { (entity, isWrapped) = (inner, true) }
        if let words = expectations.state { state = Self.state(entity, words) }
        for path in expectations.memberPaths {
            let forms = Self.forms(path.split(separator: "/"), of: entity)
            if !forms.isEmpty { members[path] = forms }
        }
        readOthers(entity, known: expectations.namesOfMembers)
    }

    /// The shape of the head of an answer to a download.
    init(status: Int, headers fields: UpstreamHeaders, _ expectations: CallExpectations) {
        self.status = status
        for case .header(let name, _, _) in expectations.expectations.map(\.subject) {
            if let value = fields[name] { headers[name] = HeaderForm.all(of: value) }
        }
        guard let type = fields["content-type"] else { return }
        hasMediaType = true
        let essence = type.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        for case .mediaType(let types) in expectations.expectations.map(\.subject) {
            mediaType = types.first { Self.fits(essence, $0) }
        }
    }

    private static func fits(_ type: String, _ pattern: String) -> Bool {
        pattern.hasSuffix("*") ? type.hasPrefix(pattern.dropLast()) : type == pattern
    }

    private static func state(_ entity: JSONValue, _ words: StateWords) -> State {
        guard let text = entity.member(words.member)?.string else { return .absent }
        return words.words.first { $0.lowercased() == text.lowercased() }.map { .known($0) } ?? .other
    }

    /// The forms at a path: one, or those in the elements of arrays on the way.
    private static func forms(_ path: [Substring], of value: JSONValue) -> Set<ValueForm> {
        guard let first = path.first else { return [] }
        let member = value.member(String(first))
        guard path.count > 1 else { return [ValueForm(member)] }
        let rest = Array(path.dropFirst())
        switch member {
        case .array(let elements):
            return elements.prefix(100).reduce(into: []) { $0.formUnion(forms(rest, of: $1)) }
        case .object: return forms(rest, of: member ?? .null)
        default: return []
        }
    }

    private mutating func readOthers(_ entity: JSONValue, known: Set<String>) {
        let others = (entity.object ?? [:]).keys.filter { !known.contains($0.lowercased()) }
        otherMembers = Array(others.filter(SchemaName.isPlausible).sorted().prefix(SchemaName.most))
        unnamedMembers = others.count - otherMembers.count
    }
}

extension CallExpectations {
    fileprivate var memberPaths: [String] {
        expectations.compactMap { if case .member(let path, _, _) = $0.subject { path } else { nil } }
    }

    /// The names of all members that are no news, in lower case.
    fileprivate var namesOfMembers: Set<String> {
        let first = memberPaths.compactMap { $0.split(separator: "/").first.map(String.init) }
        return Set((first + knownMembers + [state?.member].compactMap { $0 }).map { $0.lowercased() })
    }
}
