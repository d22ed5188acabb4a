"""From what the waves have found to the reviewed report."""

import hashlib
from pathlib import Path

from tests.standin import files, gates
from tests.standin.documents import as_lines
from tests.standin.job import Job, Work, check_gate


def cid(url: str) -> str:
    """The name of a citation."""
    return f"cid_{hashlib.sha256(url.encode()).hexdigest()}"


def citations(job: Job) -> Work:
    run = job.run
    found = [
        (path, line)
        for folder in ("wave-1", "wave-2")
        for path in run.markdown_in(folder)
        for line in path.read_text(encoding="utf-8").splitlines()
        if "https://" in line
    ]
    urls = [line.removeprefix("- ") for _, line in found]
    for name in ("extracted-urls", "normalized-urls"):
        run.write(f"citations/{name}.txt", "".join(f"{url}\n" for url in urls))
    yield
    for name, items in (
        (
            "found-by",
            [_found_by(path, line, n) for n, (path, line) in enumerate(found, 1)],
        ),
        ("url-map", [_mapped(url) for url in urls]),
    ):
        version = f"{name.replace('-', '_')}.v1"
        document = {"schema_version": version, "run_id": run.run_id, "items": items}
        run.write(f"citations/{name}.json", document)
    status = "invalid" if gates.shall_fail(run, "C", job.scenario) else "valid"
    found_citations = [_citation(path, line, status) for path, line in found]
    run.write("citations/citations.jsonl", as_lines(found_citations))
    run.audit(
        "citations_validate",
        reason=job.reason,
        mode="offline" if run.is_no_web else "online",
        citations_path=str(run.root / "citations/citations.jsonl"),
        validated=len(found_citations),
        inputs_digest=files.digest(urls),
    )
    run.progress("citations_validated", job.reason)
    check_gate(job, "C")


def _found_by(path: Path, line: str, ordinal: int) -> dict[str, object]:
    return {
        "url_original": line.removeprefix("- "),
        "wave": path.parent.name,
        "perspective_id": path.stem,
        "source_line": line,
        "ordinal": ordinal,
    }


def _mapped(url: str) -> dict[str, str]:
    return {"url_original": url, "normalized_url": url, "cid": cid(url)}


def _citation(path: Path, line: str, status: str) -> dict[str, object]:
    url = line.removeprefix("- ")
    return {
        "schema_version": "citation.v1",
        "normalized_url": url,
        "cid": cid(url),
        "url": url,
        "url_original": url,
        "status": status,
        "checked_at": files.now(),
        "found_by": [
            {
                "wave": int(path.parent.name[-1]),
                "perspective_id": path.stem,
                "agent_type": "unknown",
                "artifact_path": f"{path.parent.name}/{path.name}",
                "source_line": line,
            }
        ],
        "notes": f"{status} by the scenario",
    }


def summaries(job: Job) -> Work:
    run = job.run
    sources = [*run.markdown_in("wave-1"), *run.markdown_in("wave-2")]
    cids = [each["cid"] for each in files.lines(run.root / "citations/citations.jsonl")]
    cited = " ".join(f"[@{each}]" for each in cids[:2])
    yield from job.outputs(
        "summaries",
        [path.stem for path in sources],
        lambda each: f"## Findings\n\n{each}, in short {cited}.\n",
    )
    if gates.shall_fail(run, "D", job.scenario):
        sources = sources[1:]
    entries = [
        {
            "perspective_id": path.stem,
            "source_artifact": f"{path.parent.name}/{path.name}",
            "summary_md": f"summaries/{path.stem}.md",
            "key_claims": [
                {
                    "claim": f"{path.stem}, in short",
                    "citation_cids": cids[:2],
                    "confidence": 80,
                }
            ],
        }
        for path in sources
    ]
    limits = run.manifest["limits"]
    pack = {
        "schema_version": "summary_pack.v1",
        "run_id": run.run_id,
        "generated_at": files.now(),
        "limits": {
            name: limits[name] for name in ("max_summary_kb", "max_total_summary_kb")
        },
        "summaries": entries,
        "total_estimated_tokens": 20 * len(entries),
    }
    run.write("summaries/summary-pack.json", pack)
    meta = {
        "schema_version": "summary_pack_meta.v1",
        "mode": job.driver,
        "generated_at": files.now(),
        "inputs_digest": files.digest(entries),
    }
    run.write("summaries/summary-pack.meta.json", meta)
    run.progress("summary_pack_built", job.reason)
    check_gate(job, "D")


def synthesis(job: Job) -> Work:
    run = job.run
    cids = [each["cid"] for each in files.lines(run.root / "citations/citations.jsonl")]
    claims = "".join(f"- Finding {n} [@{each}]\n" for n, each in enumerate(cids, 1))
    if gates.shall_fail(run, "E", job.scenario):
        claims += "- 42 of 50 agree (no source)\n"
    bodies = ("In short.\n", claims, "The sources agree.\n", "A stand-in wrote this.\n")
    sections = zip(gates.HEADINGS, bodies, strict=True)
    text = "\n".join(f"{heading}\n\n{body}" for heading, body in sections)
    if job.driver == "fixture" and run.has("review/review-bundle.json"):
        yield
        run.write("synthesis/final-synthesis.md", text)  # changes were required
        return
    yield from job.outputs("synthesis", ["final-synthesis"], lambda _: text)


def review(job: Job) -> Work:
    run = job.run
    yield
    number = sum(each["to"] == "review" for each in run.manifest["stage"]["history"])
    decisions = job.scenario.reviews
    decision = decisions[min(number, len(decisions)) - 1]
    run.write(
        "review/review-bundle.json",
        {
            "schema_version": "review_bundle.v1",
            "run_id": run.run_id,
            "decision": decision,
            "findings": [],
            "directives": [],
        },
    )
    run.write(
        "review/revision-directives.json",
        {
            "schema_version": "revision_directives.v1",
            "run_id": run.run_id,
            "directives": [],
        },
    )
    passes = [gates.check(run, letter, job.scenario, job.reason) for letter in "EF"]
    run.write(
        "reports/gate-e-status.json",
        {
            "schema_version": "gate_e.status_report.v1",
            "status": "pass" if passes[0] else "fail",
            "warnings": [],
            "hard_metrics": {},
            "soft_metrics": {},
        },
    )
