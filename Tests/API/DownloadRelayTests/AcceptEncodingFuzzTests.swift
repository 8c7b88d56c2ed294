import Testing

@testable import DownloadRelay

/// Whatever a client sends as `Accept-Encoding`: what it refuses is never selected, and it is read as a second, slower
/// reader reads it.
@Suite struct AcceptEncodingFuzzTests {
    static let words = [
        "gzip", "x-gzip", "GZIP", "identity", "*", "br", "deflate", "zstd", ",", ", ", " , ", ";", ";q=", "; q=", "q=",
        ";Q=", "0", "1", "0.5", "0.000", "0.001", "1.000", "1.001", "0.0000", ".5", "1.", "-1", "\t", " ", "\"", "\\",
        "gzip;q=0", "gzip;q=1", "zstd;q=0", "zstd;q=0.5", "identity;q=0", "*;q=0", "*;q=0.1",
        "identity;q=0.5, gzip;q=0.4",
    ]

    @Test func readsAsTheReferenceDoes() {
        Fuzzing(executions: 3000)
            .run("Accept-Encoding") {
                $0.text(of: Self.words, most: 12)
            } check: {
                Self.check($0)
            }
    }

    /// Fields that once were read in two ways.
    @Test(arguments: ["", ",", "\"", "gzip;q=\"0\"", "gzip;q=0, \"*;q=1", "gzip ;q=1", "gzip;q=1.", "*;q=0, gzip;q=2"])
    func seeds(field: String) {
        Self.check(field)
    }

    private static func check(_ field: String) {
        let read = AcceptEncoding(field)
        let weights = ReferenceAcceptEncoding.weights(field)
        let gzip = [weights["gzip"], weights["x-gzip"]].compactMap { $0 }.min()
        #expect(read.gzip == gzip, "\(field.debugDescription)")
        #expect(read.zstd == weights["zstd"], "\(field.debugDescription)")
        #expect(read.identity == weights["identity"], "\(field.debugDescription)")
        #expect(read.others == weights["*"], "\(field.debugDescription)")

        let refusesGzip = (gzip ?? weights["*"] ?? 0) == 0
        let refusesZstd = (weights["zstd"] ?? 0) == 0
        let refusesIdentity = (weights["identity"] ?? (weights["*"] == 0 ? 0 : 1)) == 0
        for worthwhile in [true, false] {
            for allowed in [true, false] {
                switch read.selected(worthwhile: worthwhile, allowed: allowed) {
                case .gzip: #expect(allowed && !refusesGzip, "\(field.debugDescription)")
                case .zstd: #expect(allowed && !refusesZstd, "\(field.debugDescription)")
                case .identity: #expect(!refusesIdentity, "\(field.debugDescription)")
                case nil:
                    #expect(refusesIdentity && (refusesGzip && refusesZstd || !allowed), "\(field.debugDescription)")
                }
            }
        }
    }
}

/// RFC 9110, 12.5.3 and 5.6.1, by regular expressions and without any care for time.
enum ReferenceAcceptEncoding {
    /// The lowest weight of each coding that is named in order, in thousandths; the names in lower case.
    static func weights(_ field: String) -> [String: Int] {
        let quoted = #/(?:"(?:\\.|[^"\\])*(?:"|\\?$)|[^,"])+/#.dotMatchesNewlines().matchingSemantics(.unicodeScalar)
        let element =
            #/[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?/#
            .matchingSemantics(.unicodeScalar)
        var weights: [String: Int] = [:]
        for part in field.matches(of: quoted) {
            guard let match = String(part.output).wholeMatch(of: element) else { continue }
            let weight =
                match.output.2.map { Int((Double($0.hasSuffix(".") ? $0.dropLast() : $0)! * 1000).rounded()) } ?? 1000
            let name = String(match.output.1).lowercased()
            weights[name] = min(weights[name] ?? weight, weight)
        }
        return weights
    }
}
