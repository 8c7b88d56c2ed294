import UpstreamHTTP

extension LiveReport {
    /// The calls of one kind of an export.
    public struct Calls: Sendable {
        public var operation: String
        /// How many answers had each status.
        public var statuses: [Int: Int]
        public var findings: [Finding]
        /// Members that no article names, by their names.
        public var otherMembers: [String]
        /// The most members of one answer whose names are not shown.
        public var unnamedMembers: Int

        init(_ expectations: CallExpectations, _ answers: AnswerLog.Calls, _ part: PartAnswer) {
            operation = expectations.operation
            statuses = answers.shapes.reduce(into: [:]) { $0[$1.key.status, default: 0] += $1.value }
            findings = Comparison(expectations: expectations, answers: answers, part: part).findings
            let names = Set(answers.shapes.keys.flatMap(\.otherMembers)).sorted()
            otherMembers = Array(names.prefix(SchemaName.most))
            unnamedMembers = (answers.shapes.keys.map(\.unnamedMembers).max() ?? 0) + names.count - otherMembers.count
        }
    }
}
