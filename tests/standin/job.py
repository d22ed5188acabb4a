"""One tick's work on one stage, and what all stages share."""

from collections.abc import Callable, Iterator

from tests.standin import gates
from tests.standin.refusals import Refusal
from tests.standin.run import Run
from tests.standin.scenario import Scenario

# A stage's work yields in its middle, which is where a process can be made slow, hang
# or die.
Work = Iterator[None]


class Job:
    """One tick's work on one stage."""

    def __init__(self, run: Run, scenario: Scenario, driver: str, reason: str) -> None:
        self.run, self.scenario = run, scenario
        self.driver, self.reason = driver, reason

    def outputs(
        self, folder: str, names: list[str], text: Callable[[str], str]
    ) -> Work:
        """Outputs of researchers: made here, or waited for when others make them."""
        run = self.run
        missing = [each for each in names if not run.has(f"{folder}/{each}.md")]
        if self.driver == "task" and missing:
            raise Refusal(
                "RUN_AGENT_REQUIRED",
                f"{run.stage} waits for agent-result of {', '.join(missing)}",
            )
        for each in missing:
            run.write(f"{folder}/{each}.md", text(each))
            yield
        if not missing:
            yield


def check_gate(job: Job, letter: str) -> None:
    """Check a gate; count the retry that its failure costs, where that is counted."""
    if gates.check(job.run, letter, job.scenario, job.reason):
        return
    if letter in job.scenario.retries:
        gates.plan_retry(job.run, letter, "Once more.", job.reason)
