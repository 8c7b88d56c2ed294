import Testing
@Test func placeholderGatewayAPI() {}
