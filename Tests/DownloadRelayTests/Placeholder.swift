import Testing
@Test func placeholderDownloadRelay() {}
