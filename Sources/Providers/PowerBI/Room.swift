enum RoomPowerBI {}
