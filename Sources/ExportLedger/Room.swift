enum RoomExportLedger {}
