enum RoomVivaGoals {}
