"""An evidence pack as one archive, which proves what it says to whoever has the key.

Around the files of the pack, which never change, stands what is known at the export:
who has signed it and whether that counts, a report to print, the verifier. The digest
of the list of all of them (`index.json`) goes into the ledger; once a checkpoint covers
that line, `ledger.json` brings it along, with every line about what is in the pack.
"""

import ast
import json
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from importlib.resources import files as resources
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from drills.domain.packs import MANIFEST
from drills.domain.verbs import Verb
from drills.models import EvidencePack, VerificationVerdict
from drills.services import pack_reports, packs
from drills.services.signatures import Standing, round_of
from portal.domain.canonical import canonical, digest
from portal.domain.roles import May
from portal.errors import Unavailable, WrongMoment
from portal.models import Actor, LedgerEntry
from portal.services import proofs
from portal.services.access import require
from portal.services.ledger import record
from rollout.domain.verbs import Verb as RolloutVerb
from rollout.services import vault

INDEX, LEDGER, SIGNOFFS = "index.json", "ledger.json", "signoffs.json"
INDEX_FORMAT = "rollout-evidence-pack-index/1"
VERIFIER = "verify_pack.py"
PDF = "drills.services.pack_pdfs.as_pdf"  # by name: its library loads slowly
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP can say
POLL_S = 0.2
README = """This is the evidence of a release gate, and who has signed it.

    python -m venv check && check/bin/pip install cryptography
    check/bin/python verify_pack.py THIS.zip --key KEY

Get KEY, the public key of the portal's sealer or its fingerprint, from somebody whom
you trust, not from here; and the verifier, too, if you can. It says whether anything
was altered, who signed what, and on which evidence.

report.html and report.pdf are to be read and printed; manifest.json is what was signed:
its SHA-256 is the pack's hash.
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an archive will hold, written down in the ledger; not sealed yet."""

    pack: EvidencePack
    seq: int
    index: bytes
    made: dict[str, bytes]

    @property
    def name(self) -> str:
        """A name for the archive."""
        gate = self.pack.gate
        return f"evidence-{gate.rollout.key}-{gate.letter}-{self.pack.number}.zip"


@transaction.atomic
def prepare(pack_hash: str, *, by: Actor, reason: str) -> Prepared:
    """Put together what stands around a pack, and write down that it is taken."""
    pack = packs.find(pack_hash)
    require(by, May.READ, rollout=pack.gate.rollout.key)
    found = round_of(pack)
    made = {
        MANIFEST: pack.manifest.encode(),
        SIGNOFFS: canonical([signature(each) for each in found.standings]),
        "report.html": pack_reports.as_html(found).encode(),
        "report.pdf": import_string(PDF)(found),
        VERIFIER: verifier().encode(),
        "README.txt": README.encode(),
    }
    listed = {
        name: {"digest": digest(content), "size": len(content)}
        for name, content in made.items()
    }
    listed |= {
        each.path: {"digest": each.digest, "size": each.size}
        for each in packs.files_of(pack)
    }
    index = canonical(
        {"format": INDEX_FORMAT, "pack_hash": pack.pack_hash, "files": listed}
    )
    line = record(
        Verb.PACK_EXPORTED,
        pack,
        by=by,
        reason=reason,
        rollout=pack.gate.rollout.key,
        pack_hash=pack.pack_hash,
        index=digest(index),
        files=len(listed),
    )
    return Prepared(pack, line.seq, index, made)


def signature(standing: Standing) -> dict[str, object]:
    """A signature as `signoffs.json` has it, with whether it counted at the export.

    Names are those of the moment of signing: people may be called otherwise by now.
    """
    signed, lapse = standing.signoff, standing.lapse
    line = LedgerEntry.objects.filter(
        subject_type=signed._meta.label_lower,
        subject_id=str(signed.pk),
        verb__in=[Verb.GATE_SIGNED, Verb.GATE_REJECTED],
    ).get()
    return {
        "role": signed.role,
        "verdict": signed.verdict,
        "name": signed.name,
        "on_behalf_of": json.loads(line.body)["details"]["on_behalf_of"],
        "rubric": signed.rubric,
        "note": signed.note,
        "statement": signed.statement,
        "pack_hash": signed.pack_hash,
        "authenticated_by": signed.authenticated_by,
        "signed_at": signed.signed_at.isoformat(),
        "expires_at": signed.expires_at.isoformat(),
        "ledger_seq": line.seq,
        "standing": f"stale: {lapse.says}" if lapse else "it counts",
    }


def wait_for_seal(prepared: Prepared, *, patience_s: float) -> None:
    """Wait until a checkpoint covers the line; `Unavailable` after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            proofs.checkpoint_over(prepared.seq)
        except WrongMoment as refusal:
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"The ledger is not sealed up to this export yet: {refusal} Is "
                    "the sealer running?",
                    code="NOT_SEALED",
                ) from None
            time.sleep(POLL_S)
        else:
            return


def archive(prepared: Prepared) -> Generator[bytes, None, None]:
    """The bytes of the archive, as they come; nothing is in memory as a whole."""
    sink = _Sink()
    contents = {**prepared.made, INDEX: prepared.index, LEDGER: _ledger_of(prepared)}
    kept = {each.path: each.digest for each in packs.files_of(prepared.pack)}
    with ZipFile(sink, "w", ZIP_DEFLATED) as zipped:
        for name in sorted({*contents, *kept}):
            info = ZipInfo(name, LONG_AGO)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # whatever system writes it
            info.compress_type = ZIP_DEFLATED
            chunks: Iterable[bytes] = (
                vault.read(kept[name]) if name in kept else [contents[name]]
            )
            with zipped.open(info, "w", force_zip64=True) as file:
                for chunk in chunks:
                    file.write(chunk)
                    yield from sink.taken()
    yield from sink.taken()


def _ledger_of(prepared: Prepared) -> bytes:
    """The lines of the ledger about what is in a pack, with proofs and checkpoint."""
    checkpoint = proofs.checkpoint_over(prepared.seq)
    seqs = _lines_about(prepared).filter(seq__lte=prepared.seq)
    found = proofs.extract(seqs.values_list("seq", flat=True), size=checkpoint.size)
    return canonical(
        {
            "checkpoint": checkpoint.note,
            "introductions": proofs.introductions(checkpoint.origin),
            "entries": [
                {name: each[name] for name in ("seq", "body", "proof")}
                for each in found
            ],
        }
    )


def _lines_about(prepared: Prepared) -> QuerySet[LedgerEntry]:
    pack = prepared.pack
    said = packs.said_in(pack)
    rests_on = [each["rests_on"] for each in said["evidence"]]
    waived = [each["waiver"]["waiver"] for each in said["evidence"] if each["waiver"]]
    subjects = {
        "drills.releasegate": [pack.gate_id],
        "drills.packorder": [pack.order_id],
        "drills.signoff": pack.signoffs.values_list("pk", flat=True),
        "drills.waiver": waived,
        "drills.drill": {each["drill"] for each in rests_on if "drill" in each},
    }
    about = Q(seq=prepared.seq)
    about |= Q(
        subject_type="drills.evidencepack",
        subject_id=str(pack.pk),
        verb=Verb.PACK_ASSEMBLED,
    )
    for kind, numbers in subjects.items():
        about |= Q(subject_type=kind, subject_id__in=[str(each) for each in numbers])
    runs = {str(each["run"]) for each in rests_on if "run" in each}
    if runs:
        about |= Q(subject_type="drills.verificationrun", subject_id__in=runs)
        verdicts = VerificationVerdict.objects.filter(run__in=runs)
        names = [str(pk) for pk in verdicts.values_list("pk", flat=True)]
        about |= Q(subject_type="drills.verificationverdict", subject_id__in=names)
    about |= _evaluated(said)
    return LedgerEntry.objects.filter(about).order_by("seq")


def _evaluated(said: dict) -> Q:
    """The line of the evaluation that the pack brings."""
    named = {
        each["facts"]["evaluation"]
        for each in said["evidence"]
        if "evaluation" in each["facts"]
    }
    about = Q(pk__in=[])
    for each in named:
        about |= Q(verb=RolloutVerb.STAGE_EVALUATED, body__contains=each)
    return about


def verifier() -> str:
    """`verify_pack.py`, one file: what checks ledgers, and then what checks packs."""
    own = resources("drills.standalone").joinpath(VERIFIER).read_text()
    tree = ast.parse(own)
    shared = [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("portal.standalone")
    ]
    lines = own.splitlines(keepends=True)
    first, last = shared[0].lineno - 1, shared[0].end_lineno
    head, tail = "".join(lines[:first]), "".join(lines[last:])
    return f"{head}\n{_without_frame(proofs.verifier())}\n{tail}"


def _without_frame(source: str) -> str:
    """A script without its docstring and without its last lines, which run it."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    start = tree.body[0].end_lineno if ast.get_docstring(tree) else 0
    end = len(lines)
    if isinstance(tree.body[-1], ast.If):
        end = tree.body[-1].lineno - 1
    return "".join(lines[start:end]).strip() + "\n\n"


class _Sink:
    """What a ZIP is written to, and taken from at once."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def taken(self) -> list[bytes]:
        """What has come since."""
        taken, self.waiting = self.waiting, []
        return taken
