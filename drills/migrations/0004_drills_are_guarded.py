"""Guard the moves of a drill, and what it is about.

The moves stand here once more, on purpose, as those of an incident do.
"""

from django.db import migrations

_FIXED = (
    *("rollout_id", "stage_id", "scenario", "means", "conductor_id"),
    *("environment", "fingerprint", "plan", "asked_at"),
)
_SAME = " AND ".join(f"NEW.{name} = OLD.{name}" for name in _FIXED)
MOVES = [
    ("waiting", "running"),
    ("waiting", "aborted"),
    ("running", "passed"),
    ("running", "failed"),
    ("running", "aborted"),
]
_MOVES = ", ".join(f"('{before}', '{after}')" for before, after in MOVES)

KEEP_DRILLS = f"""
CREATE FUNCTION drills_drill_is_kept() RETURNS trigger AS $$
BEGIN
    IF NOT ({_SAME}) THEN
        RAISE EXCEPTION 'what a drill is about never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN ({_MOVES}) THEN
        RAISE EXCEPTION 'a drill that is % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.observer_id IS NOT NULL
        AND NEW.observer_id IS DISTINCT FROM OLD.observer_id THEN
        RAISE EXCEPTION 'who has observed a drill never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER is_kept BEFORE UPDATE ON drills_drill
    FOR EACH ROW EXECUTE FUNCTION drills_drill_is_kept();
CREATE TRIGGER never_deleted BEFORE DELETE ON drills_drill
    FOR EACH ROW EXECUTE FUNCTION portal_written_once();
"""
FORGET_DRILLS = """
DROP TRIGGER is_kept ON drills_drill;
DROP TRIGGER never_deleted ON drills_drill;
DROP FUNCTION drills_drill_is_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("drills", "0003_incidents_are_guarded")]

    operations = [migrations.RunSQL(KEEP_DRILLS, FORGET_DRILLS)]
