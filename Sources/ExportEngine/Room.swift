enum RoomExportEngine {}
