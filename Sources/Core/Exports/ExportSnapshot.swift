public import Synchronization

/// The latest visible state of an export, with the forms in which it is sent. Each form is made once, or once by each of those
/// who ask for it first at the same moment.
public final class ExportSnapshot: Sendable {
    @usableFromInline struct Forms {
        @usableFromInline var made: [any Sendable] = []
        /// The forms of the snapshot before this one, where only `observedAt` differs.
        @usableFromInline var earlier: [any Sendable] = []
    }

    /// What callers see.
    public let export: Export
    @usableFromInline let forms: Mutex<Forms>

    /// How many forms are kept; those that were made first are evicted.
    public static let formLimit = 4

    /// Makes a snapshot.
    ///
    /// - Parameter earlier: The snapshot that this one replaces. Where both have the same revision, the forms of the earlier one
    ///   can be patched for this one.
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
    /// Where there is none, `make` makes it, and it is kept. `make` gets the same form of the earlier snapshot, if that has the
    /// same revision. `isWanted` is called with a lock held: it must not ask this snapshot for another form. `make` is called
    /// without the lock, because encoding an export with many files takes long.
    @inlinable public func form<Form: Sendable>(
        where isWanted: (Form) -> Bool,
        make: (_ earlier: Form?) -> Form
    ) -> Form {
        func wanted(_ forms: [any Sendable]) -> Form? {
            for case let form as Form in forms where isWanted(form) { return form }
            return nil
        }
        let (made, earlier) = forms.withLock { forms in
            let made = wanted(forms.made)
            return (made, made == nil ? wanted(forms.earlier) : nil)
        }
        if let made { return made }
        let form = make(earlier)
        return forms.withLock { forms in
            if let made = wanted(forms.made) { return made }
            if forms.made.count == Self.formLimit { forms.made.removeFirst() }
            forms.made.append(form)
            return form
        }
    }
}
