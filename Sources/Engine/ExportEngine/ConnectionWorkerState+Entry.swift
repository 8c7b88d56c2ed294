import Exports

extension ConnectionWorkerState {
    /// An unfinished export. There may be a hundred thousand: what few have at a time is in memory of its own.
    struct Entry: Sendable {
        /// Whose it is: callers take turns.
        let caller: String
        /// The fence that this engine's write-backs carry.
        var fence: Int64
        /// When the work that waits or is under way became due.
        var dueAt: Timestamp?
        var kind: Kind
        /// For which work it is ready, while it waits for a task.
        var readyFor: Kind?
        /// Whether it stands among those that wait for the one call for many. It keeps its place there while a caller wants newer
        /// word.
        var isListed = false
        /// Whether a task has it, or is about to.
        var isBusy = false
        /// Whether there is news that the task may have missed.
        var isWoken = false
        /// Whether the export was taken charge of once more, while a task had it.
        var isAdoptedAnew = false
        /// Whether the upstream has been asked for it since it was taken over. What this process starts is not taken over.
        var hasBeenAsked: Bool
        /// Whether it is to be observed before its time.
        var wantsRefresh = false
        /// When no refresh is made. A clock that was set back must not prolong it.
        var quiet: Range<Timestamp>?
        private var sparse = Sparse.none

        init(caller: String, fence: Int64, kind: Kind, held: HeldTime = .none) {
            (self.caller, self.fence, self.kind) = (caller, fence, kind)
            hasBeenAsked = kind == .submission
            guard held != .none else { return }
            (heldFor, heldBeforeAnswer) = (held.inAll, held.inAll - held.sinceAnswer)
        }

        var refreshers: [Signal] {
            get { rare.refreshers }
            set { rare.refreshers = newValue }
        }
        /// When the request budget had no place for it last.
        var sentBackAt: Timestamp? {
            get { rare.sentBackAt }
            set { rare.sentBackAt = newValue }
        }
        /// How long the request budget has held its work back, and since when it does.
        var heldFor: Duration {
            get { rare.heldFor }
            set { rare.heldFor = newValue }
        }
        /// How long it had done so by the upstream's last answer.
        var heldBeforeAnswer: Duration {
            get { rare.heldBeforeAnswer }
            set { rare.heldBeforeAnswer = newValue }
        }
        var heldSince: Timestamp? {
            get { rare.heldSince }
            set { rare.heldSince = newValue }
        }
        /// Whether what is given back now is held back, and not waiting for something else.
        var isHeldBack: Bool {
            get { rare.isHeldBack }
            set { rare.isHeldBack = newValue }
        }

        private var rare: Rare {
            get { if case .some(let rare) = sparse { rare } else { Rare() } }
            set { sparse = newValue.isEmpty ? .none : .some(newValue) }
        }
    }

    private struct Rare: Sendable {
        var refreshers: [Signal] = []
        var sentBackAt: Timestamp?
        var heldFor = Duration.zero
        var heldBeforeAnswer = Duration.zero
        var heldSince: Timestamp?
        var isHeldBack = false

        var isEmpty: Bool {
            refreshers.isEmpty && sentBackAt == nil && heldFor == .zero && heldSince == nil && !isHeldBack
        }
    }

    private indirect enum Sparse: Sendable {
        case none
        case some(Rare)
    }
}
