enum RoomDownloadRelay {}
