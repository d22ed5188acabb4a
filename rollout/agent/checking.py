"""`python -m rollout.agent.checking PROGRAM -- WORDS [-- WORDS]`: is each of them done?

For verification suites, which judge by exit statuses: the research system's own proves
nothing, so its commands are asked through this. They are carried out one after the
other, up to the first that is not done.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence

from rollout.domain.cli_answers import CliAnswer, Ending, Verdict, judge

NOT_DONE = 1
BAD_INPUT = 2
NEXT = "--"


def main(arguments: Sequence[str]) -> int:
    """0 when every command says that it is done, 1 and why when one does not."""
    program, *commands = _parts(arguments)
    if not program or not commands or not all(commands):
        print("error: say PROGRAM -- WORDS, and -- WORDS again", file=sys.stderr)
        return BAD_INPUT
    for words in commands:
        answer = _ask([*program, *words])
        if answer.verdict != Verdict.DONE:
            print(f"{answer.verdict}: {answer.code} {answer.message}", flush=True)
            return NOT_DONE
    return 0


def _parts(arguments: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in arguments:
        if word == NEXT:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _ask(words: Sequence[str]) -> CliAnswer:
    """What a command answers; the time limit is that of the suite."""
    print(f"$ {shlex.join(words)}", flush=True)
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
        )
    except OSError as error:
        print(error.strerror, flush=True)
        return judge(Ending.NOT_STARTED, b"")
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    return judge(Ending.DIED if done.returncode < 0 else Ending.EXITED, done.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
