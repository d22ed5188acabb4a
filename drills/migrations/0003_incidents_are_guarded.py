"""Guard the moves of an incident, what it is about, and its timeline.

The moves stand here once more, on purpose: a state that the table of the domain does
not lead to cannot be written by anybody. A test compares the two.
"""

from django.db import migrations

MOVES = [
    ("open", "acknowledged"),
    ("acknowledged", "open"),
    ("acknowledged", "mitigated"),
    ("mitigated", "resolved"),
    ("resolved", "reviewed"),
    ("reviewed", "closed"),
    ("open", "cancelled"),
    ("acknowledged", "cancelled"),
    ("mitigated", "cancelled"),
    ("mitigated", "open"),
    ("resolved", "open"),
    ("reviewed", "open"),
]
_MOVES = ", ".join(f"('{before}', '{after}')" for before, after in MOVES)
_FIXED = ("rollout_id", "kind", "fingerprint", "opened_at", "opened_by_id")
_SAME = " AND ".join(f"NEW.{name} = OLD.{name}" for name in _FIXED)

KEEP_INCIDENTS = f"""
CREATE FUNCTION drills_incident_is_kept() RETURNS trigger AS $$
BEGIN
    IF NOT ({_SAME}) THEN
        RAISE EXCEPTION 'what an incident is about never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN ({_MOVES}) THEN
        RAISE EXCEPTION 'an incident that is % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER is_kept BEFORE UPDATE ON drills_incident
    FOR EACH ROW EXECUTE FUNCTION drills_incident_is_kept();
CREATE TRIGGER never_deleted BEFORE DELETE ON drills_incident
    FOR EACH ROW EXECUTE FUNCTION portal_written_once();
"""
FORGET_INCIDENTS = """
DROP TRIGGER is_kept ON drills_incident;
DROP TRIGGER never_deleted ON drills_incident;
DROP FUNCTION drills_incident_is_kept();
"""
ONLY_COUNT = """
CREATE FUNCTION drills_timeline_only_counts() RETURNS trigger AS $$
BEGIN
    IF NEW.key <> '' AND NEW.count > OLD.count AND NEW.last_at >= OLD.last_at
        AND (NEW.id, NEW.incident_id, NEW.kind, NEW.key, NEW.says, NEW.actor_id,
             NEW.at, NEW.chapter)
          = (OLD.id, OLD.incident_id, OLD.kind, OLD.key, OLD.says, OLD.actor_id,
             OLD.at, OLD.chapter)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an entry of a timeline is written once; only its count grows'
        USING ERRCODE = 'integrity_constraint_violation';
END $$ LANGUAGE plpgsql;
CREATE TRIGGER only_counts BEFORE UPDATE ON drills_timelineentry
    FOR EACH ROW EXECUTE FUNCTION drills_timeline_only_counts();
CREATE TRIGGER never_deleted BEFORE DELETE ON drills_timelineentry
    FOR EACH ROW EXECUTE FUNCTION portal_written_once();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON drills_timelineentry
    FOR EACH STATEMENT EXECUTE FUNCTION portal_written_once();
"""
COUNT_NO_MORE = """
DROP TRIGGER only_counts ON drills_timelineentry;
DROP TRIGGER never_deleted ON drills_timelineentry;
DROP TRIGGER never_emptied ON drills_timelineentry;
DROP FUNCTION drills_timeline_only_counts();
"""


class Migration(migrations.Migration):
    dependencies = [("drills", "0002_guards")]

    operations = [
        migrations.RunSQL(KEEP_INCIDENTS, FORGET_INCIDENTS),
        migrations.RunSQL(ONLY_COUNT, COUNT_NO_MORE),
    ]
