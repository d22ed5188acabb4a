"""The database's own refusal to change what is written once.

Used by migrations. The triggers speak up for raw SQL and for whoever bypasses the
models; in production the application's role does not own them.
"""

from django.db.migrations import RunSQL

_FUNCTION = """
CREATE OR REPLACE FUNCTION portal_written_once() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION '% on % is not allowed: it is written once', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$ LANGUAGE plpgsql
"""


def define_guard() -> RunSQL:
    """Create the function that the guards' triggers call."""
    return RunSQL(_FUNCTION, "DROP FUNCTION portal_written_once()")


def written_once(table: str) -> RunSQL:
    """Guard a table against UPDATE, DELETE and TRUNCATE."""
    return RunSQL(
        [
            f"CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION portal_written_once()",
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION portal_written_once()",
        ],
        [
            f"DROP TRIGGER written_once ON {table}",
            f"DROP TRIGGER never_emptied ON {table}",
        ],
    )
