import Testing
@Test func placeholderMicrosoftSandbox() {}
