import Synchronization

/// An export as callers see it between two changes, with the forms in which it is sent: each is made once.
public final class ExportSnapshot: Sendable {
    private struct Forms {
        var made: [any Sendable] = []
        /// Of the snapshot before this one, where only `observedAt` is another.
        var earlier: [any Sendable] = []
    }

    /// What callers see.
    public let export: Export
    private let forms: Mutex<Forms>

    /// How many forms are kept; those that were made first give way.
    public static let formLimit = 4

    /// Makes a snapshot.
    ///
    /// - Parameter earlier: The one that it takes the place of. Where both show the same revision, the forms of the earlier one
    ///   can be made good for this one.
    public init(_ export: Export, after earlier: ExportSnapshot? = nil) {
        self.export = export
        var forms = Forms()
        if let earlier, earlier.export.id == export.id, earlier.export.revision == export.revision {
            forms.earlier = earlier.forms.withLock { $0.made.isEmpty ? $0.earlier : $0.made }
        }
        self.forms = Mutex(forms)
    }

    /// The form that `isWanted` picks.
    ///
    /// Where there is none, `make` makes it and it is kept; `make` gets the same form of the earlier snapshot, if that is of the
    /// same revision. Called with a lock held: neither closure may wait, or ask this snapshot for another form.
    public func form<Form: Sendable>(
        where isWanted: (Form) -> Bool,
        make: (_ earlier: Form?) -> Form
    ) -> Form {
        forms.withLock { forms in
            for case let form as Form in forms.made where isWanted(form) { return form }
            let earlier = forms.earlier.lazy.compactMap { $0 as? Form }.first(where: isWanted)
            let form = make(earlier)
            if forms.made.count == Self.formLimit { forms.made.removeFirst() }
            forms.made.append(form)
            return form
        }
    }
}
