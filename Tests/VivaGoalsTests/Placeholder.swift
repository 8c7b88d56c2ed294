import Testing
@Test func placeholderVivaGoals() {}
