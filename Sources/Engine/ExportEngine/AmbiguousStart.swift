/// What is done about a start of which it is not known whether it happened.
public enum AmbiguousStart: String, Sendable, Hashable, CaseIterable {
    /// It is not repeated: its job is looked for, and somebody may decide.
    case hold
    /// It is repeated, where the job is not to be seen: the operator accepts that the upstream may run it twice. A start that
    /// the upstream accepted is not repeated.
    case `repeat`
}
