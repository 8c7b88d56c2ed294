enum RoomMicrosoftSandbox {}
