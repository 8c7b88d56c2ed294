import Exports

extension Examination {
    /// What comes for a range is that part or the whole, and the head says which. Where parts are declared, they come,
    /// unless the file is not the one that the validator names.
    func partsAreExact() async throws {
        let isDeclared = try await capabilities.rangeDownload
        if isDeclared { try await harness.serveParts?() }
        let provider = try await harness.makeProvider()
        let (job, files) = try await finished(with: provider)
        let file = files[0]
        let whole = try await read(file, of: job.reference, from: provider)
        let size = Int64(whole.bytes.count)
        guard whole.error == nil, size > 2 else {
            report("a file to take parts of", found: "\(size) bytes")
            throw Ended()
        }
        expect(whole.head.range == nil, "no range in the head of a whole file", found: whole.head)
        if isDeclared {
            expect(whole.head.servesRanges, "a head that says that parts are served", found: whole.head)
        }

        let middle = size / 2
        for range in [
            FileRange(first: 0, last: 0), FileRange(first: middle), FileRange(first: 1, last: middle),
            FileRange(first: size - 1), FileRange(first: middle, last: size + 10),
        ] {
            for validator in Set([nil, whole.head.validator]) {
                var range = range
                range.validator = validator
                let part = try await read(file, of: job.reference, range: range, from: provider)
                let isPart = check(part.head, part.bytes, part.error, against: range, of: whole.bytes)
                if isDeclared { expect(isPart, "bytes \(range.text) alone, as declared", found: part.head) }
            }
        }

        let stale = FileRange(first: middle, validator: "\"a-version-that-never-was\"")
        let answer = try await read(file, of: job.reference, range: stale, from: provider)
        expect(
            answer.error == nil && answer.head.range == nil && answer.bytes == whole.bytes,
            "the whole file where the validator does not hold",
            found: "\(answer.bytes.count) bytes, \(answer.head)"
        )
        let beyond = FileRange(first: size)
        let open = { () async throws(ProviderError) -> FileBody in
            try await provider.open(file, of: job.reference, range: beyond, context: harness.context)
        }
        if isDeclared {
            await mustThrow([.invalid], "opening a part beyond the end", open)
        } else if case .success(let body) = await attempt(open) {
            expect(body.head.range == nil, "no part beyond the end", found: body.head)
        }
    }

    /// Whether a part came, rather than the whole; what came is checked either way.
    private func check(
        _ head: FileBody.Head,
        _ bytes: [UInt8],
        _ error: (any Error)?,
        against range: FileRange,
        of whole: [UInt8]
    ) -> Bool {
        expect(error == nil, "bytes \(range.text) can be read", found: error as Any)
        guard let part = head.range else {
            expect(bytes == whole, "the whole file where the head names no part", found: "\(bytes.count) bytes")
            return false
        }
        let last = min(range.last ?? .max, Int64(whole.count) - 1)
        expect(
            part.first == range.first && part.last == last
                && part.completeLength ?? Int64(whole.count) == Int64(whole.count),
            "a head that names bytes \(range.first)-\(last) of \(whole.count)",
            found: part
        )
        expect(
            bytes.elementsEqual(whole[Int(range.first)...Int(last)]),
            "the bytes \(range.first)-\(last) of the file",
            found: "\(bytes.count) bytes"
        )
        if let length = head.contentLength {
            expect(length == last - range.first + 1, "a head with the length of the part", found: length)
        }
        return true
    }
}

extension FileRange {
    fileprivate var text: String { "\(first)-\(last.map { "\($0)" } ?? "")" }
}
