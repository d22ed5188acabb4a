"""The documents that a run begins with."""

import json
from pathlib import Path
from typing import Any

from tests.standin import files

GATE_NAMES = {
    "A": "Planning completeness",
    "B": "Wave output contract compliance",
    "C": "Citation validation integrity",
    "D": "Summary pack boundedness",
    "E": "Synthesis quality",
    "F": "Rollout safety",
}
TIMEOUTS_S = {
    "init": 120,
    "perspectives": 86400,
    "wave1": 600,
    "pivot": 120,
    "wave2": 600,
    "citations": 600,
    "summaries": 600,
    "synthesis": 600,
    "review": 300,
    "finalize": 120,
}
PATHS = {
    "wave1_dir": "wave-1",
    "wave2_dir": "wave-2",
    "citations_dir": "citations",
    "summaries_dir": "summaries",
    "synthesis_dir": "synthesis",
    "logs_dir": "logs",
    "gates_file": "gates.json",
    "perspectives_file": "perspectives.json",
    "citations_file": "citations/citations.jsonl",
    "summary_pack_file": "summaries/summary-pack.json",
    "pivot_file": "pivot.json",
}
LIMITS = {
    "max_wave1_agents": "PAI_DR_CLI_MAX_WAVE1_AGENTS",
    "max_wave2_agents": "PAI_DR_CLI_MAX_WAVE2_AGENTS",
    "max_summary_kb": "PAI_DR_CLI_MAX_SUMMARY_KB",
    "max_total_summary_kb": "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB",
    "max_review_iterations": "PAI_DR_CLI_MAX_REVIEW_ITERATIONS",
}
SECTIONS = ["Findings", "Sources", "Gaps"]


def manifest(
    root: Path, query: str, sensitivity: str, mode: str, flags: dict[str, Any]
) -> dict[str, Any]:
    """The first revision; it keeps the flags that the run has started with."""
    moment = files.now()
    return {
        "schema_version": "manifest.v1",
        "run_id": root.name,
        "created_at": moment,
        "updated_at": moment,
        "revision": 1,
        "query": {
            "text": query,
            "constraints": {
                "scope_path": "operator/scope.json",
                "deep_research_cli": {"enabled": True},
                "deep_research_cli_flags": flags,
            },
            "sensitivity": sensitivity,
        },
        "mode": mode,
        "status": "created",
        "stage": {
            "current": "init",
            "started_at": moment,
            "last_progress_at": moment,
            "history": [],
        },
        "limits": limits(flags),
        "agents": {"policy": "existing-runtime-only"},
        "artifacts": {"root": str(root), "paths": PATHS},
        "metrics": {},
        "failures": [],
    }


def limits(flags: dict[str, Any]) -> dict[str, int]:
    """The caps, as a run knows them."""
    return {name: flags[flag] for name, flag in LIMITS.items()}


def gates(run_id: str) -> dict[str, Any]:
    """Six gates that nobody has looked at."""
    return {
        "schema_version": "gates.v1",
        "run_id": run_id,
        "revision": 1,
        "updated_at": files.now(),
        "inputs_digest": files.digest(run_id),
        "gates": {
            letter: {
                "id": letter,
                "name": name,
                "class": "hard",
                "status": "not_run",
                "checked_at": None,
                "metrics": {},
                "artifacts": [],
                "warnings": [],
                "notes": "",
            }
            for letter, name in GATE_NAMES.items()
        },
    }


def run_config(root: Path, sensitivity: str, flags: dict[str, Any]) -> dict[str, Any]:
    """What the run goes by, written once."""
    no_web = sensitivity == "no_web" or flags["PAI_DR_CLI_NO_WEB"]
    endpoints = {
        "brightdata": flags["PAI_DR_CLI_CITATIONS_BRIGHT_DATA_ENDPOINT"],
        "apify": flags["PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"],
    }
    return {
        "schema_version": "run_config.v1",
        "run_id": root.name,
        "created_at": files.now(),
        "manifest_path": str(root / "manifest.json"),
        "gates_path": str(root / "gates.json"),
        "effective": {
            "sensitivity": sensitivity,
            "flags": {
                "option_c_enabled": flags["PAI_DR_CLI_ENABLED"],
                "no_web": no_web,
                "citation_validation_tier": flags[
                    "PAI_DR_CLI_CITATION_VALIDATION_TIER"
                ],
            },
            "citation_endpoints": {
                step: f"deep_research_citations_{step}"
                for step in ("extract_urls", "normalize", "validate", "render_md")
            },
            "citations": {
                "mode": "offline" if no_web else "online",
                "endpoints": endpoints,
                "source": {
                    "mode": "manifest",
                    "endpoints": dict.fromkeys(endpoints, "run-config"),
                    "authority": "run-config",
                },
            },
            "caps": limits(flags),
            "source": flags["source"],
        },
    }


def policy(lease_s: int) -> dict[str, Any]:
    """How long things may take."""
    return {
        "schema_version": "run_policy.v1",
        "stage_timeouts_seconds_v1": TIMEOUTS_S,
        "citations_ladder_policy_v1": {
            "direct_fetch_timeout_ms": 5000,
            "endpoint_timeout_ms": 5000,
            "max_redirects": 5,
            "max_body_bytes": 2097152,
            "direct_fetch_max_attempts": 1,
            "bright_data_max_attempts": 1,
            "apify_max_attempts": 1,
            "backoff_initial_ms": 100,
            "backoff_multiplier": 2,
            "backoff_max_ms": 1000,
        },
        "run_lock_policy_v1": {
            "lease_seconds": lease_s,
            "heartbeat_interval_ms": lease_s * 250,
            "heartbeat_max_failures": 1,
        },
    }


def scope(run_id: str, query: str, mode: str) -> dict[str, Any]:
    """What is asked."""
    return {
        "schema_version": "scope.v1",
        "run_id": run_id,
        "updated_at": files.now(),
        "questions": [query],
        "non_goals": [],
        "deliverable": "An answer that rests on what the run has found.",
        "time_budget_minutes": 45,
        "depth": mode,
        "citation_posture": "follow_manifest",
    }


def perspectives(run_id: str, ids: list[str], track: str) -> dict[str, Any]:
    """Who looks from where."""
    return {
        "schema_version": "perspectives.v1",
        "run_id": run_id,
        "created_at": files.now(),
        "perspectives": [
            {
                "id": each,
                "title": f"Perspective {each}",
                "track": track,
                "agent_type": "StandInResearcher",
                "prompt_contract": {
                    "max_words": 500,
                    "max_sources": 8,
                    "tool_budget": {"search_calls": 0, "fetch_calls": 0},
                    "must_include_sections": SECTIONS,
                },
                "platform_requirements": [],
                "tool_policy": {"primary": [], "secondary": [], "forbidden": []},
            }
            for each in ids
        ],
    }


def wave1_plan(run_id: str, ids: list[str]) -> dict[str, Any]:
    """Who is asked what in the first wave."""
    return {
        "schema_version": "wave1_plan.v1",
        "run_id": run_id,
        "generated_at": files.now(),
        "entries": [
            {
                "perspective_id": each,
                "prompt_md": f"Answer as {each}, with {', '.join(SECTIONS)}.",
                "output_md": f"wave-1/{each}.md",
            }
            for each in ids
        ],
    }


def as_lines(documents: list[dict[str, Any]]) -> str:
    """Documents as JSON lines."""
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in documents)
