import Testing
@Test func placeholderParallelGzip() {}
