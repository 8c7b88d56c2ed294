import Exports

extension Examination {
    /// The same files in the same order each time, as the upstream has them.
    func filesAreStable() async throws {
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        let again = try await observation(of: job.reference, from: try await harness.makeProvider()).files
        expect(again == files, "the same files in the same order", found: again)
        expect(files.map(\.id) == (1...files.count).map { "\($0)" }, "ids 1, 2, … in order", found: files.map(\.id))
        expect(files.allSatisfy { !$0.name.isEmpty }, "a name for each file", found: files.map(\.name))
        if files.count > 1 {
            expect(
                try await capabilities.multipleFiles,
                "one file, unless multipleFiles is declared",
                found: files.count
            )
        }
        let kept = try await harness.files(job.reference)
        guard expect(files.count == kept.count, "\(kept.count) files, as the upstream has", found: files.count) else {
            return
        }
        for (file, kept) in zip(files, kept) {
            if let size = file.size { expect(size == kept.size, "the upstream's size, \(kept.size)", found: size) }
            if let name = kept.name { expect(file.name == name, "the upstream's name, \(name)", found: file.name) }
        }
    }

    /// Every byte, as often as it is asked for.
    func bytesAreExact() async throws {
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        for (file, kept) in zip(files, try await harness.files(job.reference)) {
            for time in ["first", "second"] {
                let (head, bytes, error) = try await read(file, of: job.reference, from: provider)
                expect(error == nil, "file \(file.id) can be read a \(time) time", found: error as Any)
                expect(
                    Int64(bytes.count) == kept.size && harness.digest(bytes) == kept.digest,
                    "the \(kept.size) bytes that the upstream has of file \(file.id)",
                    found: "\(bytes.count) bytes, digest \(harness.digest(bytes))"
                )
                if let length = head.contentLength, head.contentEncoding == nil {
                    expect(length == kept.size, "a head with the length of file \(file.id)", found: length)
                }
            }
        }
    }

    /// What came before the break is right, and then comes an error, not an end.
    func brokenDownloadThrows() async throws {
        guard let cutDownloads = harness.cutDownloads else { return }
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        let file = files[0]
        let whole = try await read(file, of: job.reference, from: provider)
        guard whole.error == nil, whole.bytes.count > 1 else {
            report("a file to break off", found: "\(whole.bytes.count) bytes")
            throw Ended()
        }
        let cut = whole.bytes.count / 2
        try await cutDownloads(Int64(cut))
        let broken = try await read(file, of: job.reference, from: provider)
        expect(
            broken.bytes.count <= cut && broken.bytes.elementsEqual(whole.bytes.prefix(broken.bytes.count)),
            "the file's first bytes, at most \(cut)",
            found: "\(broken.bytes.count) bytes"
        )
        guard let error = broken.error as? ProviderError else {
            return report("a ProviderError after the break", found: broken.error ?? "the end")
        }
        expect(error.isRetryable, "a break is worth another try", found: error)
        await harness.clearFaults()
        let again = try await read(file, of: job.reference, from: provider)
        expect(
            again.error == nil && again.bytes == whole.bytes,
            "the whole file at the next try",
            found: again.bytes.count
        )
    }

    func expiredFilesAreGone() async throws {
        guard let expireFiles = harness.expireFiles else { return }
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        try await expireFiles()
        await mustThrow([.gone], "opening a file that is no longer kept") { () async throws(ProviderError) in
            try await provider.open(files[0], of: job.reference, range: nil, context: harness.context)
        }
    }
}
