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


_VERSION_FUNCTION = """
CREATE FUNCTION portal_is_its_newest_version() RETURNS trigger AS $$
DECLARE
    said jsonb;
    version jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(it) FROM %I it WHERE id = $1', TG_TABLE_NAME)
        INTO said USING NEW.id;
    EXECUTE format(
        'SELECT to_jsonb(it) - ARRAY[''history_id'', ''history_date'', '
        '''history_type'', ''history_user_id'', ''history_change_reason''] '
        'FROM (SELECT * FROM %I WHERE id = $1 ORDER BY history_id DESC LIMIT 1) it',
        TG_ARGV[0]
    ) INTO version USING NEW.id;  -- of one version, and not of each that there is
    IF version IS NULL OR said || version <> said THEN
        RAISE EXCEPTION '% of % was written without a version that names who and why',
            TG_TABLE_NAME, NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$ LANGUAGE plpgsql
"""


def define_version_guard() -> RunSQL:
    """Create the function that compares a governed row with its newest version."""
    return RunSQL(_VERSION_FUNCTION, "DROP FUNCTION portal_is_its_newest_version()")


def versioned(table: str, versions: str) -> RunSQL:
    """Guard a governed table: whoever writes a row leaves a version, and none goes.

    It is looked at when the transaction commits, as the version is written after the
    row; fields that are in no version (a last use) may be written alone.
    """
    return RunSQL(
        [
            f"CREATE CONSTRAINT TRIGGER has_its_version AFTER INSERT OR UPDATE "
            f"ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            f"EXECUTE FUNCTION portal_is_its_newest_version('{versions}')",
            f"CREATE TRIGGER stays BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION portal_written_once()",
        ],
        [
            f"DROP TRIGGER has_its_version ON {table}",
            f"DROP TRIGGER stays ON {table}",
        ],
    )
