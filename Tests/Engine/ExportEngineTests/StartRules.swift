import ExportEngine

/// How it is decided what became of a start.
struct StartRules: Sendable {
    /// Whether two attempts that find nothing mean that nothing happened.
    var ambiguousStart: AmbiguousStart
    /// Whether a 2xx is an acceptance although it names no job.
    var successIsAcceptance: Bool
    /// Whether a job without a marker is taken whoever started it, up to a minute before the attempt, and though another export
    /// has it.
    var takesAnyJob: Bool

    static let present = StartRules(ambiguousStart: .hold, successIsAcceptance: true, takesAnyJob: false)
    /// Those of commit 5581fdf.
    static let former = StartRules(ambiguousStart: .repeat, successIsAcceptance: false, takesAnyJob: true)
}
