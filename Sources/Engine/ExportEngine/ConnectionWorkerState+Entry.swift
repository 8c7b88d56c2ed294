import Exports

extension ConnectionWorkerState {
    /// An unfinished export. There may be a hundred thousand, so values that few have at a time are allocated apart.
    struct Entry: Sendable {
        /// The caller who owns it: callers take turns.
        let caller: String
        /// The fence that this engine's write-backs carry.
        var fence: Int64
        /// The `leaseOwner` under which this engine works on it.
        var owner: String?
        /// When the waiting or running work became due.
        var dueAt: Timestamp?
        var kind: Kind
        /// The kind of work that it waits to be taken for.
        var readyFor: Kind?
        /// Whether it waits for the one call that polls many. It keeps this place while a caller asks for a refresh.
        var isListed = false
        /// Whether a task works on it, or is about to.
        var isBusy = false
        /// Whether something changed that the task may have missed.
        var isWoken = false
        /// Whether the export was adopted again while a task worked on it.
        var isAdoptedAgain = false
        /// Whether the upstream was polled for it since it was taken over. What this process starts is not taken over.
        var hasBeenAsked: Bool
        /// Whether it is to be polled before its time.
        var wantsRefresh = false
        /// The time in which no refresh is made. A clock that was set back must not prolong it.
        var quiet: Range<Timestamp>?
        private var sparse = Sparse.none

        init(caller: String, fence: Int64, owner: String? = nil, kind: Kind, held: HeldTime = .none) {
            (self.caller, self.fence, self.owner, self.kind) = (caller, fence, owner, kind)
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
        /// How long the request budget has held its work back.
        var heldFor: Duration {
            get { rare.heldFor }
            set { rare.heldFor = newValue }
        }
        /// How long the budget had held it back at the time of the upstream's last answer.
        var heldBeforeAnswer: Duration {
            get { rare.heldBeforeAnswer }
            set { rare.heldBeforeAnswer = newValue }
        }
        var heldSince: Timestamp? {
            get { rare.heldSince }
            set { rare.heldSince = newValue }
        }
        /// Whether the export, when released now, is held back by the budget and does not wait for something else.
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
