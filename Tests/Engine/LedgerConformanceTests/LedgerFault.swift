/// What a faulty ledger does wrong.
enum LedgerFault: String, Sendable, CaseIterable {
    case losesNewExports, ignoresKeys, ignoresFingerprints, sharesKeysBetweenCallers, keepsKeysForEver
    case leavesTheExportOfAReplay, prunesTooMuch, ignoresKeysWithoutATask
    case ignoresLimits, limitsAllCallersTogether, refusesReplays
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
    case changesInPages, changesWithoutAFence, changesUnderTheFormerOwner, countsAllThatIsUnfinished
    case losesEventsOfChanges, tellsOfPolls, ordersEventsByExport, repeatsTheLastEvent, ignoresTheLimitOfEvents
    case mistakesTheRangeOfEvents, losesWhatEndsAnExport
    case passesOverUnreadableEvents, writesEventsLater, tellsOfRefusedChanges
    case losesAFieldOfWebhooks, ignoresTheLimitOfWebhooks, listsWebhooksOfAnybody, writesChangesThatThrow
    case keepsDeletedWebhooks, prunesAllThatIsLeft, ignoresPositions, storesMessagesTwice
    case listsTheOldestMessagesFirst, ignoresTheStateOfMessages, ignoresTheTimeOfMessages, replaysFirstParts
    case replaysWithoutClaims, prunesMessagesTooEarly, ignoresTheLimitOfPruning
    case countsForEnabledWebhooks, givesUpWithoutALimit, givesUpWithoutATurn
    case queuesEachMessageAlone, claimsBeforeTheTime, claimsWithoutALimit, ignoresTheClaimsOfOthers
    case claimsForDisabledWebhooks, keepsClaims, endsFormerClaims, endsWithoutTheWebhook, endsClaimsTwice
    case waitsForFullWebhooks, claimsTwice, losesMessages
    case expiresWhatNeverDoes, expiresWhatWasDelivered, expiresPagesAgain
    case losesTombstones, purgesWithoutWord, purgesWhatIsRetained, purgesDuringDeliveries, losesKeysWhenPurging
    case purgesBeforeWebhooks, purgesTooEarly, ignoresTheLimitOfPurges, purgesTheFirstAgain, createsAgain, freesJobs
    case purgesTwice, purgesLater, hidesMissingChanges, prunesChangesTooEarly, prunesWhatWebhooksNeed
    case takesEachChangesOwnTime, prunesTombstonesTooEarly, ignoresTheLimitOfTombstones, countsNothingRetained
    case losesAuditEntries, auditsWhatIsNotChanged, beginsAnotherChain, sealsAgain, ignoresTheCallerOfRows
    case listsTheOldestRowsFirst, looksAtEveryRow, trimsWithoutAnAnchor, trimsTooMuch, sealsLater
    case sealsCopiesOfDeletedRows, losesWaitingEntries, looksAtTheFirstEntriesAgain, trimsWhatIsRefused
    case losesEntriesOfBrokenDeliveries, hidesTheFirstRow
    case answersBeforeTheCommit, ignoresCancellation, cancelsInsertions, hidesTheFullDisk

    /// The case of the suite that has to find it.
    var foundBy: String {
        switch self {
        case .losesNewExports, .losesAField: "a new export is there"
        case .ignoresKeys, .leavesTheExportOfAReplay: "the same request gives the same export"
        case .ignoresLimits: "no more are created than a caller may create at once"
        case .limitsAllCallersTogether, .refusesReplays: "a caller creates as many as it may"
        case .ignoresKeysWithoutATask: "an insertion without a task is like any other"
        case .ignoresFingerprints: "a key belongs to one request"
        case .sharesKeysBetweenCallers: "a key belongs to one caller"
        case .keepsKeysForEver, .prunesTooMuch: "old keys are pruned"
        case .tellsTheFormerRecord: "an update writes every field"
        case .mixesReadsUp: "reads at once get each its own record"
        case .ignoresTheFence, .takesAnyNewFence: "a former owner changes nothing"
        case .takesOverItsOwn, .takesOverWithoutAFence, .takesOverWhatIsSettled, .leavesTheEpoch:
            "an engine takes over what others have"
        case .changesWithoutAFence, .changesUnderTheFormerOwner, .countsAllThatIsUnfinished:
            "all that is unfinished is changed at once"
        case .changesInPages: "all that is unfinished is changed, or nothing"
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
        case .losesEventsOfChanges, .losesWhatEndsAnExport: "each change that callers see has its event"
        case .tellsOfPolls: "what callers do not see has no event"
        case .ordersEventsByExport: "events stand in the order of their commits"
        case .repeatsTheLastEvent, .ignoresTheLimitOfEvents: "pages of events follow one another"
        case .mistakesTheRangeOfEvents: "the range of events has all of them"
        case .passesOverUnreadableEvents: "an event that cannot be read is not passed over"
        case .writesEventsLater: "a kill leaves no change without its event"
        case .tellsOfRefusedChanges: "a full disk leaves no event without its change"
        case .losesAFieldOfWebhooks: "a webhook comes back as it was written"
        case .ignoresTheLimitOfWebhooks: "an owner has a limited number of webhooks"
        case .listsWebhooksOfAnybody: "pages of webhooks follow one another"
        case .writesChangesThatThrow: "a change of a webhook is whole or not made"
        case .keepsDeletedWebhooks: "a deleted webhook is gone with its messages"
        case .prunesAllThatIsLeft: "what a deleted webhook leaves is pruned"
        case .ignoresPositions: "messages and their webhook's position are stored together"
        case .storesMessagesTwice: "a message is stored once"
        case .listsTheOldestMessagesFirst, .ignoresTheStateOfMessages: "pages of messages are newest first"
        case .ignoresTheTimeOfMessages: "what has ended is replayed in its place"
        case .replaysWithoutClaims: "a replay leaves claims alone"
        case .replaysFirstParts: "many are replayed in their order"
        case .prunesMessagesTooEarly, .ignoresTheLimitOfPruning: "old messages are pruned"
        case .countsForEnabledWebhooks: "pending messages are counted for each webhook"
        case .givesUpWithoutALimit, .givesUpWithoutATurn: "what is given up is not sent, and what follows it is"
        case .queuesEachMessageAlone: "messages of one export are claimed in their order"
        case .claimsBeforeTheTime: "messages are claimed as they became due"
        case .claimsWithoutALimit: "of each webhook so many are claimed as it has places"
        case .ignoresTheClaimsOfOthers: "a webhook has so many claims at once"
        case .claimsForDisabledWebhooks: "only enabled webhooks' messages are claimed"
        case .keepsClaims, .endsFormerClaims: "a claim on a message runs out"
        case .endsWithoutTheWebhook, .endsClaimsTwice: "a claim ends once, with a change of its webhook"
        case .waitsForFullWebhooks: "the time of the next claim is told"
        case .claimsTwice: "of claims at once each message is given to one"
        case .losesMessages: "a kill leaves messages, positions and claims"
        case .expiresWhatNeverDoes: "successes that expire soon are told"
        case .expiresWhatWasDelivered: "what was delivered does not expire undelivered"
        case .expiresPagesAgain: "pages of what expires follow one another"
        case .losesTombstones, .purgesWithoutWord: "a purged export leaves its tombstone, and nothing else"
        case .purgesWhatIsRetained, .purgesDuringDeliveries, .losesKeysWhenPurging:
            "an export with an obstacle is kept whole"
        case .purgesBeforeWebhooks: "an export is kept until webhooks were told of it"
        case .purgesTooEarly, .ignoresTheLimitOfPurges: "exports are purged in the order of their ends"
        case .purgesTheFirstAgain: "a batch goes on after what is kept"
        case .createsAgain: "the key of a purged export creates no other"
        case .freesJobs: "a job of a purged export stays its own"
        case .purgesTwice: "of purges at once one purges"
        case .purgesLater: "a kill leaves an export or its tombstone"
        case .hidesMissingChanges, .prunesChangesTooEarly: "changes that are not stored any more are told as missing"
        case .takesEachChangesOwnTime: "a change is as old as a later one says"
        case .prunesWhatWebhooksNeed: "changes that webhooks have not read stay"
        case .prunesTombstonesTooEarly, .ignoresTheLimitOfTombstones:
            "tombstones are pruned when their changes are gone"
        case .countsNothingRetained: "retained exports are counted"
        case .losesAuditEntries: "an entry of the audit trail is stored with its change"
        case .auditsWhatIsNotChanged: "what is not changed leaves no entry of the audit trail"
        case .beginsAnotherChain: "entries of the audit trail are sealed in one chain"
        case .sealsAgain: "an entry of the audit trail is sealed once"
        case .ignoresTheCallerOfRows, .listsTheOldestRowsFirst: "rows of the audit trail are listed by every filter"
        case .looksAtEveryRow: "a page of the audit trail looks at so many rows at most"
        case .trimsWithoutAnAnchor, .trimsTooMuch, .sealsCopiesOfDeletedRows:
            "the oldest rows of the audit trail are deleted, and the rest is whole"
        case .losesWaitingEntries: "an entry of the audit trail with another key waits for it"
        case .looksAtTheFirstEntriesAgain: "entries of the audit trail that wait keep no others waiting"
        case .trimsWhatIsRefused: "rows of the audit trail that may not be deleted stay"
        case .losesEntriesOfBrokenDeliveries: "a delivery that was broken off has its entry of the audit trail"
        case .hidesTheFirstRow: "whoever seals entries of the audit trail sees both of its ends"
        case .sealsLater: "a kill leaves an entry of the audit trail or its row"
        case .answersBeforeTheCommit: "many that were answered outlive a kill"
        case .ignoresCancellation: "who is cancelled changes nothing, or is answered"
        case .cancelsInsertions: "an insertion is carried out in a cancelled task"
        case .hidesTheFullDisk: "a full disk refuses and loses nothing"
        }
    }
}
