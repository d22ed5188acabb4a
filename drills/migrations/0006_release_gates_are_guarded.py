"""Guard what gates, waivers and delegations are about, and who may sign.

What the domain refuses stands here once more, on purpose: no act, no shell and no
superuser can write a signature under an incomplete pack, under another hash, under one
that was sent back, by somebody who had a part in it, or for somebody who had.
"""

from django.db import migrations

KEPT = {
    "drills_releasegate": ("rollout_id", "letter"),
    "drills_waiver": (
        *("gate_id", "requirement", "reason", "approval_id"),
        *("granted_at", "expires_at"),
    ),
    "drills_delegation": (
        *("role", "giver_id", "receiver_id", "reason", "given_at", "until"),
    ),
}

CHECK_SIGNATURES = """
CREATE FUNCTION drills_signoff_is_allowed() RETURNS trigger AS $$
DECLARE
    signed drills_evidencepack%ROWTYPE;
    held portal_rolegrant%ROWTYPE;
BEGIN
    SELECT * INTO signed FROM drills_evidencepack WHERE id = NEW.pack_id;
    IF NOT signed.is_complete THEN
        RAISE EXCEPTION 'an incomplete pack is not signed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.pack_hash <> signed.pack_hash THEN
        RAISE EXCEPTION 'a signature is bound to the hash of its pack'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM drills_packparticipant AS part
               WHERE part.pack_id = NEW.pack_id
                 AND part.person_id IN (NEW.person_id, NEW.giver_id)) THEN
        RAISE EXCEPTION 'nobody signs a pack that they had a part in'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM drills_signoff AS other
               WHERE other.pack_id = NEW.pack_id
                 AND (other.verdict = 'changes_required'
                      OR other.person_id = NEW.giver_id
                      OR other.giver_id = NEW.person_id)) THEN
        RAISE EXCEPTION 'this round is closed, or one person would sign twice'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT * INTO held FROM portal_rolegrant WHERE id = NEW.grant_id;
    IF held.role <> NEW.role OR held.revoked_at IS NOT NULL
        OR held.person_id <> COALESCE(NEW.giver_id, NEW.person_id) THEN
        RAISE EXCEPTION 'a signature is given by the role that it names'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER is_allowed BEFORE INSERT ON drills_signoff
    FOR EACH ROW EXECUTE FUNCTION drills_signoff_is_allowed();
"""
CHECK_NO_MORE = """
DROP TRIGGER is_allowed ON drills_signoff;
DROP FUNCTION drills_signoff_is_allowed();
"""


def _keep(table: str, columns: tuple[str, ...]) -> migrations.RunSQL:
    """What a row is about never changes, and it stays."""
    same = " AND ".join(f"NEW.{name} = OLD.{name}" for name in columns)
    function = f"{table}_is_kept"
    return migrations.RunSQL(
        f"""
        CREATE FUNCTION {function}() RETURNS trigger AS $$
        BEGIN
            IF NOT ({same}) THEN
                RAISE EXCEPTION 'what a row of {table} is about never changes'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$ LANGUAGE plpgsql;
        CREATE TRIGGER is_kept BEFORE UPDATE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {function}();
        CREATE TRIGGER never_deleted BEFORE DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION portal_written_once();
        """,
        f"""
        DROP TRIGGER is_kept ON {table};
        DROP TRIGGER never_deleted ON {table};
        DROP FUNCTION {function}();
        """,
    )


class Migration(migrations.Migration):
    dependencies = [("drills", "0005_break_glass_is_guarded")]

    operations = [
        *(_keep(table, columns) for table, columns in KEPT.items()),
        migrations.RunSQL(CHECK_SIGNATURES, CHECK_NO_MORE),
    ]
