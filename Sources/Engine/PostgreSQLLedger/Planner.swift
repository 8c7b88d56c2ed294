import PostgreSQL

/// What PostgreSQL is told about planning on each connection that reads or writes exports.
///
/// Every statement is written for one index. A plan is kept for any values, and is made when the tables may still be empty: without these
/// settings PostgreSQL would take whole tables and sorting for cheap then, and an index that is good for usual values later. Compiling a
/// plan takes hundreds of milliseconds, and is never worth it here.
/// See https://www.postgresql.org/docs/15/runtime-config-query.html.
enum Planner {
    static func prepare(_ connection: PostgreSQLConnection) throws(PostgreSQLError) {
        try connection.execute(
            """
            SET enable_seqscan = off; SET enable_sort = off; SET enable_incremental_sort = off;
            SET enable_bitmapscan = off; SET jit = off
            """
        )
    }
}
