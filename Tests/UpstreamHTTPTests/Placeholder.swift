import Testing
@Test func placeholderUpstreamHTTP() {}
