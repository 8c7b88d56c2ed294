import ExportLedger
import Exports

// A job is given up, and another one started for the same export.
extension ExportLife.Transition {
    /// Gives up a job that has failed, or has not ended in its time, where the adapter says that a new job helps, and there may be
    /// one more. Returns whether it was given up.
    mutating func replaced(_ observation: Observation) -> Bool {
        guard let replacement = observation.replacement, !record.cancelWished, jobNumber < replacement.mostJobs,
            observation.status == .failed || now >= jobBegan + replacement.age
        else { return false }
        let seconds = replacement.age.components.seconds
        let age = seconds % 60 == 0 ? "\(seconds / 60) minutes" : "\(seconds) seconds"
        let job = record.reference.map { "The upstream's job \($0.id) " } ?? "The upstream's job "
        startNewJob(
            after: life.capabilities.minimumPollInterval,
            ExportNotice(
                .trackingTimedOut,
                job + (observation.status == .failed ? "failed" : "did not end within \(age)")
                    + ". A new one is started in its place (job \(jobNumber + 1) of at most \(replacement.mostJobs)).",
                upstream: observation.failure?.upstream
            )
        )
        // The notice names the job that is given up. From now on, the export shows the next job.
        record.export.upstream = nil
        return true
    }

    /// What the record says while a job runs that is not the first.
    func noticeOfReplacement(_ replacement: JobReplacement) -> ExportNotice? {
        guard jobNumber > 1 else { return nil }
        return ExportNotice(
            .trackingTimedOut,
            "This is job \(jobNumber) of at most \(replacement.mostJobs): the one before it failed or did not end in time."
        )
    }

    /// Waits for the start of another job. What is known of the present one is certain, and is dropped: the next start is a start
    /// like the first, which is stored before it is made, and is unconfirmed where its outcome is lost.
    mutating func startNewJob(after wait: Duration, _ notice: ExportNotice) {
        record.progress.resubmissions += 1
        record.progress.acceptedSince = now
        record.progress.polls = 0
        record.phase = .accepted
        record.reference = nil
        record.submittingSince = nil
        record.upstreamSubmittingSince = nil
        record.export.completedAt = nil
        record.export.percentComplete = nil
        record.export.status = .notStarted
        record.export.notice = notice
        // The new job may have been started between the backup and its restore.
        if record.isHeld { return hold(after: "The job of this export has failed, or did not end in time.") }
        schedule(after: wait.clamped(.seconds(1) ... .seconds(3600)))
    }

    /// The number of the present job, from 1.
    private var jobNumber: Int { record.progress.resubmissions + 1 }

    /// When the start of the present job was begun.
    private var jobBegan: Timestamp { record.submittingSince ?? record.progress.trackingSince ?? now }
}
