/// What the engine does about a start when it is unknown whether the start happened.
public enum AmbiguousStart: String, Sendable, Hashable, CaseIterable {
    /// The start is not repeated. The gateway looks for its job, and an operator may decide. It has nothing to do with the holds of
    /// a request budget.
    case hold
    /// The start is repeated where the upstream lists no job for it: the operator accepts that the upstream may run it twice. A
    /// start that the upstream accepted is not repeated.
    case `repeat`
}
