/// What a faulty ledger does wrong.
enum LedgerFault: String, Sendable, CaseIterable {
    case losesNewExports, ignoresKeys, ignoresFingerprints, sharesKeysBetweenCallers, keepsKeysForEver
    case leavesTheExportOfAReplay, prunesTooMuch, ignoresKeysWithoutATask
    case mixesReadsUp, losesAField, tellsTheFormerRecord, ignoresTheFence, takesAnyNewFence, takesOverWhatIsSettled
    case takesOverItsOwn, takesOverWithoutAFence, losesUpdatesAtOnce, losesPolls, listsWithoutPolls
    case losesUpdatesInMemory, updatesOldRecordsInMemory, keepsVisibleChangesInMemory
    case bindsAJobTwice, takesEveryConnectionForOne, losesUnconfirmedStarts, losesEndedJobs
    case listsTheOldestFirst, ignoresTheStatus, ignoresTheCreator, includesTheLastOfThePage, ignoresTheLimit
    case neverHasMore, showsOldSnapshots, includesTheEndOfTheTime
    case expiresEarly, expiresAnything
    case beginsForAnybody, losesTickets
    case endsDeliveriesTwice, ignoresTheRequest, breaksNothing, changesNoRecordAtTheEnd
    case measuresOutOfTurn, countsNoAttempts, measuresWhatRuns
    case keepsTokensOfEndedExports, takesTokensOfEndedExports, keepsWhatIsThrown
    case changesWhatWasAskedFor, leavesTheEpoch
    case losesEventsOfChanges, tellsOfPolls, ordersEventsByExport, repeatsTheLastEvent, ignoresTheLimitOfEvents
    case mistakesTheRangeOfEvents
    case passesOverUnreadableEvents, writesEventsLater, tellsOfRefusedChanges
    case answersBeforeTheCommit, ignoresCancellation, cancelsInsertions, hidesTheFullDisk

    /// The case of the suite that has to find it.
    var foundBy: String {
        switch self {
        case .losesNewExports, .losesAField: "a new export is there"
        case .ignoresKeys, .leavesTheExportOfAReplay: "the same request gives the same export"
        case .ignoresKeysWithoutATask: "an insertion without a task is like any other"
        case .ignoresFingerprints: "a key belongs to one request"
        case .sharesKeysBetweenCallers: "a key belongs to one caller"
        case .keepsKeysForEver, .prunesTooMuch: "old keys are pruned"
        case .tellsTheFormerRecord: "an update writes every field"
        case .mixesReadsUp: "reads at once get each its own record"
        case .ignoresTheFence, .takesAnyNewFence: "a former owner changes nothing"
        case .takesOverItsOwn, .takesOverWithoutAFence, .takesOverWhatIsSettled, .leavesTheEpoch:
            "an engine takes over what others have"
        case .losesUpdatesAtOnce: "updates at once lose nothing"
        case .losesPolls, .listsWithoutPolls: "what is polled is read back everywhere"
        case .losesUpdatesInMemory, .keepsVisibleChangesInMemory: "an update in memory is like any other"
        case .updatesOldRecordsInMemory: "an update in memory does not undo what was written meanwhile"
        case .bindsAJobTwice: "a job is bound to one export"
        case .takesEveryConnectionForOne, .losesEndedJobs: "bound jobs are told"
        case .losesUnconfirmedStarts: "unconfirmed starts are told"
        case .listsTheOldestFirst: "the newest come first"
        case .ignoresTheStatus, .ignoresTheCreator, .includesTheEndOfTheTime: "filters combine in every way"
        case .includesTheLastOfThePage, .ignoresTheLimit, .neverHasMore: "pages follow one another"
        case .showsOldSnapshots: "a list shows what is known of its revision"
        case .expiresEarly, .expiresAnything: "successes expire at their time"
        case .beginsForAnybody: "an unknown export has no deliveries"
        case .losesTickets: "a use of a ticket begins once"
        case .endsDeliveriesTwice, .changesNoRecordAtTheEnd: "a delivery is under way until it ends once"
        case .ignoresTheRequest: "pages of deliveries follow one another"
        case .breaksNothing: "what is under way at a start is broken"
        case .measuresOutOfTurn: "a success is due for measuring"
        case .countsNoAttempts, .measuresWhatRuns: "a measurement comes again"
        case .takesTokensOfEndedExports, .keepsTokensOfEndedExports: "a settled export has no refresh token"
        case .keepsWhatIsThrown: "a refresh token's change that throws changes nothing"
        case .changesWhatWasAskedFor: "what an export was asked for is never written again"
        case .losesEventsOfChanges: "each change that callers see has its event"
        case .tellsOfPolls: "what callers do not see has no event"
        case .ordersEventsByExport: "events stand in the order of their commits"
        case .repeatsTheLastEvent, .ignoresTheLimitOfEvents: "pages of events follow one another"
        case .mistakesTheRangeOfEvents: "the range of events has all of them"
        case .passesOverUnreadableEvents: "an event that cannot be read is not passed over"
        case .writesEventsLater: "a kill leaves no change without its event"
        case .tellsOfRefusedChanges: "a full disk leaves no event without its change"
        case .answersBeforeTheCommit: "many that were answered outlive a kill"
        case .ignoresCancellation: "who is cancelled changes nothing, or is answered"
        case .cancelsInsertions: "an insertion is carried out in a cancelled task"
        case .hidesTheFullDisk: "a full disk refuses and loses nothing"
        }
    }
}
