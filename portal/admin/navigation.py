"""The sidebar: grouped by what people come for."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{name}")}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the navigation."""
    return [
        {
            "title": "At hand",
            "items": [
                _item("Start", "home", "index"),
                _item("Approvals", "how_to_reg", "portal_approval_changelist"),
                _item("Runs", "play_circle", "rollout_run_changelist"),
                _item("Stages", "stairs", "rollout_stage_changelist"),
                _item("Switch", "power_settings_new", "rollout_switch_changelist"),
                _item("Incidents", "emergency_home", "drills_incident_changelist"),
                _item("On call", "support_agent", "rollout_oncall_changelist"),
                _item("Drills", "exercise", "drills_drill_changelist"),
                _item("Release gates", "approval", "drills_releasegate_changelist"),
                _item("Since last time", "update", "since"),
                _item("Search", "search", "find"),
            ],
        },
        {
            "title": "What decides",
            "collapsible": True,
            "items": [
                _item("Flags", "flag", "rollout_flag_changelist"),
                _item("Segments", "groups", "rollout_segment_changelist"),
                _item("Changes", "difference", "rollout_change_changelist"),
                _item("Triggers", "crisis_alert", "rollout_trigger_changelist"),
                _item("Firings", "bolt", "rollout_triggerfiring_changelist"),
                _item("Clients", "devices", "rollout_edgeclient_changelist"),
                _item("Agents", "smart_toy", "rollout_agent_changelist"),
                _item("Flag use", "query_stats", "rollout_flaguse_changelist"),
                _item("Rollouts", "alt_route", "rollout_rollout_changelist"),
            ],
        },
        {
            "title": "What is the matter",
            "collapsible": True,
            "items": [
                _item("Tasks", "task_alt", "drills_incidenttask_changelist"),
                _item("Break-glass", "destruction", "drills_breakglass_changelist"),
                _item("Matrix", "table_chart", "drills_matrixrow_changelist"),
                _item("Runbooks", "menu_book", "drills_operatorrunbook_changelist"),
                _item("Verification", "verified", "drills_verificationrun_changelist"),
            ],
        },
        {
            "title": "Practice",
            "collapsible": True,
            "items": [
                _item("Runbooks followed", "checklist", "drills_runbookuse_changelist"),
                _item("Drill plans", "event_repeat", "drills_drillschedule_changelist"),
            ],
        },
        {
            "title": "Release",
            "collapsible": True,
            "items": [
                _item("Packs", "package_2", "drills_evidencepack_changelist"),
                _item("Signatures", "signature", "drills_signoff_changelist"),
                _item("Waivers", "rule", "drills_waiver_changelist"),
                _item("Delegations", "forward", "drills_delegation_changelist"),
                _item("Availability", "public", "drills_availability_changelist"),
            ],
        },
        {
            "title": "Evidence",
            "collapsible": True,
            "items": [
                _item("Evaluations", "balance", "rollout_evaluation_changelist"),
                _item("Rollbacks", "undo", "rollout_rollback_changelist"),
                _item("Freezes", "ac_unit", "rollout_freeze_changelist"),
                _item("Reviews", "rate_review", "rollout_failurereview_changelist"),
            ],
        },
        {
            "title": "About runs",
            "collapsible": True,
            "items": [
                _item("Directives", "campaign", "rollout_directive_changelist"),
                _item("Broadcasts", "podcasts", "rollout_broadcast_changelist"),
                _item("Timeouts", "timer_off", "rollout_runtimeout_changelist"),
                _item("Symptoms", "coronavirus", "rollout_symptom_changelist"),
                _item(
                    "Fallbacks", "keyboard_return", "rollout_fallbackoffer_changelist"
                ),
                _item("Routings", "alt_route", "rollout_routing_changelist"),
                _item("Decisions", "call_split", "rollout_decision_changelist"),
                _item("Artifacts", "inventory_2", "rollout_artifact_changelist"),
                _item("Contents", "database", "rollout_content_changelist"),
                _item("Scans", "shield", "rollout_scan_changelist"),
                _item("Findings", "key_visualizer", "rollout_finding_changelist"),
                _item(
                    "Allow list", "playlist_add_check", "rollout_allowance_changelist"
                ),
                _item("Documents", "description", "rollout_rundocument_changelist"),
                _item("Events", "timeline", "rollout_runevent_changelist"),
                _item("Advances", "fast_forward", "rollout_advance_changelist"),
            ],
        },
        {
            "title": "Who may",
            "collapsible": True,
            "items": [
                _item("People", "group", "portal_person_changelist"),
                _item("Roles", "badge", "portal_rolegrant_changelist"),
                _item("Who may what", "rule_settings", "who_may"),
                _item("API tokens", "key", "portal_apitoken_changelist"),
            ],
        },
        {
            "title": "Who is told",
            "collapsible": True,
            "items": [
                _item("Endpoints", "notifications", "portal_endpoint_changelist"),
                _item("Deliveries", "outgoing_mail", "portal_delivery_changelist"),
                _item("Notifications", "feed", "portal_notification_changelist"),
            ],
        },
        {
            "title": "Record",
            "collapsible": True,
            "items": [
                {"title": "Written", "icon": "article", "link": reverse("documents")},
                {"title": "API", "icon": "api", "link": reverse("docs")},
                _item("Ledger", "receipt_long", "portal_ledgerentry_changelist"),
                _item("Checkpoints", "approval", "portal_checkpoint_changelist"),
                _item("Sealer keys", "encrypted", "portal_sealerkey_changelist"),
                _item("Snapshots", "photo_camera", "rollout_snapshot_changelist"),
                _item("Attempts", "repeat", "rollout_attempt_changelist"),
                _item("Rules", "rule", "rollout_rule_changelist"),
                _item("Jobs", "work_history", "portal_job_changelist"),
                _item("Processes", "monitor_heart", "portal_heartbeat_changelist"),
            ],
        },
    ]
