import Testing
@Test func placeholderGatewayServer() {}
