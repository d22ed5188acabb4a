"""The commands and their one-line answers (`dr.cli.v1`)."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin import documents, files, settings, stages, waves
from tests.standin.lock import hold, lease_s
from tests.standin.refusals import Refusal, ThrownError
from tests.standin.run import Run
from tests.standin.scenario import Scenario
from tests.standin.ticks import halt, tick

Arguments = argparse.Namespace
Result = dict[str, Any]
STEPS = {
    "wave1": "wave-1",
    "wave2": "wave-2",
    "summaries": "summaries",
    "synthesis": "synthesis",
}


def main(words: list[str]) -> int:
    """Carry out one command; the exit status, which says little."""
    arguments = _parser().parse_args(words)
    run_id = arguments.run_id or (arguments.manifest and arguments.manifest.parent.name)
    scenario = Scenario(run_id)
    scenario.enter(command=arguments.command)
    root = arguments.manifest.parent if arguments.manifest else None
    scenario.reach("start", root)
    result = error = halted = None
    status = 0
    try:
        if not settings.flags()["PAI_DR_CLI_ENABLED"]:
            raise ThrownError("DISABLED", "Option C is disabled in the settings")
        result = COMMANDS[arguments.command](arguments, scenario)
    except Refusal as refusal:
        error = {"code": refusal.code, "message": refusal.message}
        if arguments.command == "tick":
            halted = halt(Run(arguments.manifest), refusal)
        else:
            status = 1
    except (ThrownError, OSError, ValueError, LookupError) as thrown:
        error, status = {"code": "CLI_ERROR", "message": str(thrown)}, 1
    answer = {
        "schema_version": "dr.cli.v1",
        "ok": error is None,
        "command": arguments.command,
        "contract": _contract(arguments),
        "result": result,
        "error": error,
        "halt": halted,
    }
    return scenario.answer(json.dumps(answer, separators=(",", ":")), status)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--manifest", type=Path)
    shared.add_argument("--reason", default="")
    shared.add_argument("--json", action="store_true")
    shared.add_argument("--run-id")
    parser = argparse.ArgumentParser(prog="standin")
    commands = parser.add_subparsers(dest="command", required=True)
    each = {name: commands.add_parser(name, parents=[shared]) for name in COMMANDS}
    each["init"].add_argument("query")
    each["init"].add_argument("--sensitivity", default="normal")
    each["init"].add_argument("--mode")
    each["init"].add_argument("--runs-root", type=Path)
    each["tick"].add_argument("--driver", choices=("task", "fixture"), required=True)
    each["agent-result"].add_argument("--stage", choices=STEPS, required=True)
    each["agent-result"].add_argument("--perspective", required=True)
    each["agent-result"].add_argument("--input", type=Path, required=True)
    each["agent-result"].add_argument("--agent-run-id", required=True)
    each["stage-advance"].add_argument("--requested-next")
    each["capture-fixtures"].add_argument("--bundle-id", required=True)
    each["capture-fixtures"].add_argument("--output-dir", type=Path, required=True)
    return parser


def _contract(arguments: Arguments) -> dict[str, str | None]:
    keys = ("run_id", "run_root", "manifest_path", "gates_path")
    try:
        run = Run(arguments.manifest)
        stage, status = run.stage, run.status
    except (ThrownError, AttributeError):
        return dict.fromkeys((*keys, "stage_current", "status"))
    paths = (run.run_id, run.root, run.manifest_path, run.gates_path)
    return dict(zip(keys, map(str, paths), strict=True)) | {
        "stage_current": stage,
        "status": status,
    }


def _init(arguments: Arguments, scenario: Scenario) -> Result:
    flags = settings.flags()
    runs_root = arguments.runs_root or Path(flags["PAI_DR_CLI_RUNS_ROOT"])
    root = runs_root / arguments.run_id
    if root.exists():
        raise ThrownError("RUN_EXISTS", f"{root} is there already")
    arguments.manifest = root / "manifest.json"
    arguments.reason = arguments.reason or "init"
    mode = arguments.mode or flags["PAI_DR_CLI_MODE_DEFAULT"]
    manifest = documents.manifest(
        root, arguments.query, arguments.sensitivity, mode, flags
    )
    scope = documents.scope(root.name, arguments.query, mode)
    config = documents.run_config(root, arguments.sensitivity, flags)
    files.write(root / "operator/scope.json", scope)
    files.write(root / "run-config.json", config)
    files.write(root / "run-config/policy.json", documents.policy(lease_s()))
    files.write(root / "gates.json", documents.gates(root.name))
    files.write(root / "manifest.json", manifest)
    run = Run(arguments.manifest)
    if scenario.start_in != "init":
        ids = [f"p{number}" for number in range(1, scenario.perspectives + 1)]
        waves.plan_first_wave(run, ids, arguments.reason)
        stages.advance(run, scenario.start_in, arguments.reason)
    line = {"ts": files.now(), "run_id": root.name, "run_root": str(root)}
    files.append(runs_root / "runs-ledger.jsonl", line)
    return {"created": True, "run_id": root.name, "run_root": str(root)}


def _status(arguments: Arguments, scenario: Scenario) -> Result:
    run = Run(arguments.manifest)
    return {"revision": run.manifest["revision"], "stage": run.stage}


def _tick(arguments: Arguments, scenario: Scenario) -> Result:
    run = Run(arguments.manifest)
    return tick(run, scenario, arguments.driver, arguments.reason)


def _agent_result(arguments: Arguments, scenario: Scenario) -> Result:
    run = Run(arguments.manifest)
    path = f"{STEPS[arguments.stage]}/{arguments.perspective}"
    with hold(run.root, f"agent_result: {arguments.reason}"):
        run.write(f"{path}.md", arguments.input.read_text(encoding="utf-8"))
        meta = {
            "schema_version": "wave-output-meta.v1",
            "prompt_digest": files.digest(arguments.perspective),
            "agent_run_id": arguments.agent_run_id,
            "ingested_at": files.now(),
            "source_input_path": str(arguments.input),
        }
        run.write(f"{path}.meta.json", meta)
        retry = "retry/retry-directives.json"
        if arguments.stage == "wave1" and run.has(retry):
            run.write(retry, run.json(retry) | {"consumed_at": files.now()})
    return {"stage": arguments.stage, "output_path": str(run.root / f"{path}.md")}


def _stage_advance(arguments: Arguments, scenario: Scenario) -> Result:
    run = Run(arguments.manifest)
    before = run.stage
    with hold(run.root, f"stage_advance: {arguments.reason}"):
        wanted = arguments.requested_next or stages.onward(run)
        stages.advance(run, wanted, arguments.reason)
    return {"from": before, "to": wanted}


def _pause(arguments: Arguments, scenario: Scenario) -> Result:
    return _turn(arguments, "paused", "Pause", "resume")


def _cancel(arguments: Arguments, scenario: Scenario) -> Result:
    return _turn(arguments, "cancelled", "Cancel", "status")


def _resume(arguments: Arguments, scenario: Scenario) -> Result:
    """Whatever the run was: even one that had ended goes on."""
    return _turn(arguments, "running", "Resume", None)


def _turn(arguments: Arguments, status: str, title: str, then: str | None) -> Result:
    run = Run(arguments.manifest)

    def change(manifest: dict[str, Any]) -> None:
        manifest["status"] = status
        if status == "running":  # the time of the pause does not count
            manifest["stage"]["started_at"] = files.now()

    with hold(run.root, f"{title.lower()}: {arguments.reason}"):
        run.change_manifest(change, f"{title.lower()}: {arguments.reason}")
        facts = {
            "ts": files.now(),
            "run_id": run.run_id,
            "stage": run.stage,
            "reason": arguments.reason,
        }
        if then:
            facts["next_step"] = f'standin {then} --manifest "{run.manifest_path}"'
        body = "".join(f"- {name}: {value}\n" for name, value in facts.items())
        name = f"{title.lower()}-checkpoint"
        run.write(f"logs/{name}.md", f"# {title} Checkpoint\n\n{body}")
    return {"status": status, "checkpoint_path": str(run.root / f"logs/{name}.md")}


def _capture_fixtures(arguments: Arguments, scenario: Scenario) -> Result:
    run = Run(arguments.manifest)
    bundle = arguments.output_dir / arguments.bundle_id
    wanted = ("manifest.json", "gates.json", "citations/citations.jsonl")
    paths = [path for path in wanted if run.has(path)]
    for path in paths:
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_bytes((run.root / path).read_bytes())
    document = {
        "schema_version": "fixture_bundle.v1",
        "bundle_id": arguments.bundle_id,
        "run_id": run.run_id,
        "created_at": files.now(),
        "included_paths": paths,
    }
    files.write(bundle / "bundle.json", document)
    run.audit(
        "fixture_bundle_capture",
        reason=arguments.reason,
        bundle_id=arguments.bundle_id,
        bundle_root=str(bundle),
        included_paths=paths,
    )
    return {"bundle_root": str(bundle)}


COMMANDS: dict[str, Callable[[Arguments, Scenario], Result]] = {
    "init": _init,
    "status": _status,
    "tick": _tick,
    "agent-result": _agent_result,
    "stage-advance": _stage_advance,
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "capture-fixtures": _capture_fixtures,
}
