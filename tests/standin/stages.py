"""From stage to stage: what may follow what, and what has to be there."""

from typing import Any

from tests.standin import files
from tests.standin.refusals import Refusal
from tests.standin.run import Run

FOLLOWS = {
    "init": ("perspectives", "wave1"),
    "perspectives": ("wave1",),
    "wave1": ("pivot",),
    "pivot": ("wave2", "citations"),
    "wave2": ("citations",),
    "citations": ("summaries",),
    "summaries": ("synthesis",),
    "synthesis": ("review",),
    "review": ("synthesis", "finalize"),
    "finalize": (),
}
_FILES = {
    ("init", "wave1"): ("perspectives.json",),
    ("perspectives", "wave1"): ("perspectives.json",),
    ("wave1", "pivot"): ("wave-review.json",),
    ("pivot", "wave2"): ("pivot.json",),
    ("pivot", "citations"): ("pivot.json",),
    ("citations", "summaries"): ("citations/citations.jsonl",),
    ("summaries", "synthesis"): ("summaries/summary-pack.json",),
    ("synthesis", "review"): ("synthesis/final-synthesis.md",),
    ("review", "synthesis"): ("review/review-bundle.json",),
    ("review", "finalize"): ("review/review-bundle.json",),
}
_GATES = {
    ("wave1", "pivot"): "B",
    ("citations", "summaries"): "C",
    ("summaries", "synthesis"): "D",
    ("review", "finalize"): "EF",
}
_WAVES = {
    "wave1": ("wave-1", "max_wave1_agents"),
    "wave2": ("wave-2", "max_wave2_agents"),
}


def onward(run: Run) -> str:
    """Where the run goes from here, as its own documents say."""
    match run.stage:
        case "init":
            return "perspectives"
        case "pivot":
            decision = run.json("pivot.json")["decision"]
            return "wave2" if decision["wave2_required"] else "citations"
        case "review":
            decision = run.json("review/review-bundle.json")["decision"]
            return "synthesis" if decision == "CHANGES_REQUIRED" else "finalize"
    return FOLLOWS[run.stage][0]


def advance(run: Run, wanted: str, reason: str) -> None:
    """Go on, unless the run is switched off or something is not there."""
    manifest = run.manifest
    here = manifest["stage"]["current"]
    _check(run, here, wanted, manifest)
    moment = files.now()
    step = {
        "from": here,
        "to": wanted,
        "ts": moment,
        "reason": reason,
        "inputs_digest": files.digest([here, wanted, run.gates["inputs_digest"]]),
        "gates_revision": run.gates["revision"],
    }

    def change(document: dict[str, Any]) -> None:
        stage = document["stage"]
        stage["history"].append(step)
        stage |= {"current": wanted, "started_at": moment, "last_progress_at": moment}
        if document["status"] == "created":
            document["status"] = "running"

    run.change_manifest(change, f"stage_advance: {reason}")


def _check(run: Run, here: str, wanted: str, manifest: dict[str, Any]) -> None:
    constraints = manifest["query"].get("constraints", {})
    if constraints.get("deep_research_cli", {}).get("enabled") is False:
        raise Refusal("DISABLED", "Option C is disabled for this run")
    if wanted not in FOLLOWS[here]:
        raise Refusal("REQUESTED_NEXT_NOT_ALLOWED", f"{wanted} cannot follow {here}")
    for path in _FILES.get((here, wanted), ()):
        if not run.has(path):
            raise Refusal("MISSING_ARTIFACT", f"{path} is missing")
    gates = run.gates["gates"]
    for letter in _GATES.get((here, wanted), ""):
        if gates[letter]["status"] != "pass":
            raise Refusal("GATE_BLOCKED", f"Gate {letter} not pass")
    if here in _WAVES:
        folder, limit = _WAVES[here]
        outputs, cap = len(run.markdown_in(folder)), manifest["limits"][limit]
        if outputs == 0:
            raise Refusal("MISSING_ARTIFACT", f"{folder} has no outputs")
        if outputs > cap:
            raise Refusal("WAVE_CAP_EXCEEDED", f"{outputs} outputs are more than {cap}")
    if (here, wanted) == ("review", "synthesis"):
        reviews = sum(each["to"] == "review" for each in manifest["stage"]["history"])
        if reviews > manifest["limits"]["max_review_iterations"]:
            raise Refusal("REVIEW_CAP_EXCEEDED", f"{reviews} reviews were enough")
