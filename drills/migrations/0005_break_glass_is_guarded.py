"""Guard what glass was broken for and by whom, and its review."""

from django.db import migrations

_FIXED = (
    *("rollout_id", "incident_id", "precautions", "reason", "asked_by_id"),
    *("confirmed_by_id", "begun_at", "expires_at", "task_id", "review_due_at"),
)
_SAME = " AND ".join(f"NEW.{name} = OLD.{name}" for name in _FIXED)

KEEP = f"""
CREATE FUNCTION drills_breakglass_is_kept() RETURNS trigger AS $$
BEGIN
    IF NOT ({_SAME}) THEN
        RAISE EXCEPTION 'what glass was broken for never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.reviewed_at IS NOT NULL AND (NEW.reviewed_at IS DISTINCT FROM OLD.reviewed_at
        OR NEW.reviewed_by_id IS DISTINCT FROM OLD.reviewed_by_id
        OR NEW.finding <> OLD.finding) THEN
        RAISE EXCEPTION 'a review of broken glass never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER is_kept BEFORE UPDATE ON drills_breakglass
    FOR EACH ROW EXECUTE FUNCTION drills_breakglass_is_kept();
CREATE TRIGGER never_deleted BEFORE DELETE ON drills_breakglass
    FOR EACH ROW EXECUTE FUNCTION portal_written_once();
"""
FORGET = """
DROP TRIGGER is_kept ON drills_breakglass;
DROP TRIGGER never_deleted ON drills_breakglass;
DROP FUNCTION drills_breakglass_is_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("drills", "0004_drills_are_guarded")]

    operations = [migrations.RunSQL(KEEP, FORGET)]
