enum RoomParallelGzip {}
