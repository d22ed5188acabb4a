"""The runbooks that ship."""

from drills.domain.runbooks import Runbook
from drills.domain.scenarios import Scenario

PAUSE_RESUME = """\
For a run that has to stand still for a while: a provider that is being mended, a
question that has to be answered first. A paused run is never timed out, and its time
does not count.

## Pause

1. **Check:** Open the run under [Runs](/admin/rollout/run/). Its status is *running*;
   note its stage and the revision of its manifest.
2. **Act:** On the page of the [run](/admin/rollout/run/), *Pause*. Say why.
3. **Wait 60 s:** Until the directive is acknowledged. After that long it is overdue.
4. **Check:** The run says *paused*, with a manifest revision that is newer than the
   one you noted, and its timer stands. If it did not follow, go to *If it does not
   answer*.

## Resume

5. **Check:** What the pause was for is over, and the [switch](/admin/rollout/switch/)
   is released; while it is engaged no stage goes on.
6. **Act:** On the page of the [run](/admin/rollout/run/), *Resume*.
7. **Wait 60 s:** Until the directive is acknowledged.
8. **Check:** The run is *running* in the same stage. Its revisions and events have no
   holes, and every artifact from before is there with the digest that it had.

## If it does not answer

9. **Check:** Under [Agents](/admin/rollout/agent/): was its agent heard of within a
   minute? If not, start the agent again on its host; it goes on from what lies there.
10. **Act:** Still nothing: send the request elsewhere, with *Fall back* on the page
    of the [run](/admin/rollout/run/). The run is cancelled, its artifacts stay.
"""
EMERGENCY_DISABLE = """\
For when Option C does harm, or might: off first, questions afterwards. One person is
enough, and nobody has to be asked. Everything that was written stays.

## Off

1. **Act:** *Engage the switch* under [Switch](/admin/rollout/switch/). From the
   moment that the page says so, every decision is `standard`, because of
   `KILL_SWITCH`.
2. **Command:** If the pages do not answer, on the portal's host. Without the database
   this writes the kill file, which the edges on that host obey:

   ```
   manage.py engage_switch deep-research-option-c --reason "What I have seen."
   ```
3. **Check:** The page of the [switch](/admin/rollout/switch/) says *engaged*, with a
   new epoch.
4. **Wait 60 s:** Until all [clients](/admin/rollout/edgeclient/) have that epoch.
5. **Command:** Decide something again. It answers `standard`:

   ```
   manage.py explain --context '{"targetingKey": "after-the-switch"}'
   ```

## Back

6. **Act:** *Roll back* on the page of the open [stage](/admin/rollout/stage/). It
   goes to the last stable stage, or off; its runs are sent to the standard workflow
   and changes are frozen.
7. **Check:** The [rollback](/admin/rollout/rollback/) has a reconciliation, and it is
   clean: all that was there before is there after it, byte for byte.
8. **Check:** No open run of the stage is left under [Runs](/admin/rollout/run/), and
   *Who needs the standard workflow?* on the [start page](/admin/) is empty.

## Tell

9. **Act:** Open an incident, or go on in the one that is there, under
   [Incidents](/admin/drills/incident/). Hand over the role of communications.
"""
HARD_GATE = """\
For a run whose hard gate has failed for good: its retries are spent. The portal has
offered the fallback already. What is left is to send the request to the standard
workflow, and to look.

## The request

1. **Check:** On the page of the [run](/admin/rollout/run/): its status is *failed*,
   one gate is *fail*, and there is one offer that names it.
2. **Check:** Its artifact `logs/fallback-summary.md` names that gate, and ends with
   *disable Option C and run standard workflow*.
3. **Act:** *Take the fallback* in [Fallbacks](/admin/rollout/fallbackoffer/), if the
   service that asked has not done so. From then on the request is with the standard
   workflow.
4. **Check:** Every artifact of the run is still there; *Contents* tells of no damage.

## The failure

5. **Act:** *Review a failure* on the page of the [run](/admin/rollout/run/): what was
   it? No stage goes on while a failure is unreviewed.
6. **Check:** Does the same gate fail elsewhere under this configuration? See the
   newest of the [evaluations](/admin/rollout/evaluation/).
7. **Act:** If it does, *Hold* the [stage](/admin/rollout/stage/) until that is
   understood. A hold takes one person; ending it takes two.
"""
TIMEOUT = """\
For a run that the watchdog has ended, or one that hangs before the watchdog's limit.
The run is failed and stays so, with its artifacts and a checkpoint of where it stood.

## What has happened

1. **Check:** Read `logs/timeout-checkpoint.md` among the artifacts of the
   [run](/admin/rollout/run/): in which stage, after how long, and what came last.
2. **Check:** Did other [runs](/admin/rollout/run/) get further at that time? If none
   did, it is no matter of one run: go on with the runbook for a provider outage.
3. **Check:** On the host of the research system: is the process still there? A
   process that is left goes on writing, and that would open an incident of its own.
4. **Command:** If it is there, end it, and only it; its number stands in the agent's
   log:

   ```
   kill -TERM PID
   ```
5. **Wait 120 s:** For the lock of its run root to run out, before anything else is
   begun there.

## Onward

6. **Act:** Send the request to the standard workflow: *Take the fallback*, where one
   was [offered](/admin/rollout/fallbackoffer/), or tell whoever asked.
7. **Check:** Has the trigger for hangs fired, and the stage gone back? See
   [Firings](/admin/rollout/triggerfiring/). If it only would have, *Hold* by hand.
8. **Check:** The watchdog itself is alive: [Processes](/admin/portal/heartbeat/)
   shows it younger than 30 seconds.
"""
SOURCES = """\
For sources that answer 403, 429 or with a CAPTCHA. Asking them again and again makes
it worse.

## How wide is it?

1. **Check:** On the page of the [run](/admin/rollout/run/), read
   `citations/blocked-urls.json`: which hosts, and with which answers?
2. **Check:** Is it one host, one provider that fetches pages, or everything? Compare
   with the newest [symptoms](/admin/rollout/symptom/) of other runs.
3. **Check:** Is the stage held? The trigger `sources-blocked` holds it after several
   of them; see [Firings](/admin/rollout/triggerfiring/).

## Until it is over

4. **Act:** If it is not held and more than one host refuses, *Hold* the
   [stage](/admin/rollout/stage/).
5. **Act:** Pause the runs that are in their citations, from the page of each
   [run](/admin/rollout/run/), or all of them with *Ask all runs* under
   [Broadcasts](/admin/rollout/broadcast/).
6. **Wait 30 min:** For limits to run out. Do not ask a host meanwhile that has
   answered 429.
7. **Check:** Fetch one page of a refusing host by hand, once. Does it answer?
8. **Act:** It does not: send what waits to the standard workflow, with *Fall back* on
   the page of each [run](/admin/rollout/run/).

## After it

9. **Act:** It does: *Resume* the [runs](/admin/rollout/run/), then *Ask to end the
   hold* on the page of the [stage](/admin/rollout/stage/); another person confirms
   that.
10. **Check:** Gate C of the runs that went on: does it hold without the sources that
    refused?
"""
PROVIDER = """\
For a model or a provider that fails: errors, time-outs, quotas that are used up.

## How wide is it?

1. **Check:** The provider's own status page, and the halt codes in the
   [symptoms](/admin/rollout/symptom/) of the newest runs.
2. **Check:** Does the standard workflow reach the same provider? If it does not,
   Option C is not the cause: tell whoever runs the provider's account.
3. **Check:** Is a quota used up, or a key no longer good?

## Until it is over

4. **Act:** *Hold* the [stage](/admin/rollout/stage/), if the trigger
   `provider-failing` has not done so. With *stop letting in* nobody new is sent into
   it.
5. **Act:** Pause all open runs with *Ask all runs* under
   [Broadcasts](/admin/rollout/broadcast/): a paused run is not timed out.
6. **Wait 15 min:** Between one look at the provider and the next.
7. **Act:** What cannot wait goes to the standard workflow: *Fall back* on the page of
   the [run](/admin/rollout/run/).

## After it

8. **Check:** Three calls in a row succeed, from the host of the research system.
9. **Act:** *Resume* the runs with *Ask all runs* under
   [Broadcasts](/admin/rollout/broadcast/).
10. **Act:** *Ask to end the hold* on the page of the [stage](/admin/rollout/stage/).
"""
LIFT = """\
For turning Option C on again after the switch was engaged. It takes two people, and a
reason to believe that what it was engaged for is over.

## Before

1. **Check:** The incident for which it was engaged is *mitigated* or further:
   [Incidents](/admin/drills/incident/).
2. **Check:** No kill file is left on any host of an edge. `VAR/KILL` would go on
   answering for the switch, whatever this page says.
3. **Check:** Which [stage](/admin/rollout/stage/) is open? From the release on it
   admits again, with its coverage. If that is too much, *Narrow by one step* first.
4. **Command:** The record is whole, and so are the decisions:

   ```
   manage.py verify_ledger
   manage.py replay_decisions
   ```

## Release

5. **Act:** *Ask for the release* under [Switch](/admin/rollout/switch/). Say what has
   changed.
6. **Act:** Another person confirms it under [Approvals](/admin/portal/approval/),
   with the password.
7. **Wait 60 s:** Until all [clients](/admin/rollout/edgeclient/) have the new epoch.

## After

8. **Check:** The first new [decisions](/admin/rollout/decision/) are what the stage
   says, and the first runs get through their first wave.
9. **Act:** Runs that were stopped by the manifest's own lever go on only after a
   *Resume*, one by one, from their pages under [Runs](/admin/rollout/run/).
10. **Check:** Somebody is on call: [On call](/admin/rollout/oncall/).
"""
RESTORE = """\
For a database or a vault that is lost or damaged. The database is restored first,
then the vault; Option C stays off until both were looked through.

## Stop

1. **Command:** On every host of an edge, so that nobody is let in meanwhile:

   ```
   manage.py engage_switch deep-research-option-c --reason "Restoring from a backup."
   ```
2. **Check:** The web process, the relay, every worker and every edge are stopped.
   Agents may go on: without the portal they let nothing begin.

## Restore

3. **Check:** Which backup: when was it made, and is the backup of the vault at least
   as new? The bytes of an artifact are in the vault before its row is committed.
4. **Command:** Restore PostgreSQL with the tools that the backup was made with, then
   bring it up to this version of the portal:

   ```
   manage.py migrate
   ```
5. **Check:** The keys are those from before: `SECRET_KEY`, `TOKEN_KEY`,
   `ENCRYPTION_KEYS`. Another `TOKEN_KEY` ends every token.
6. **Check:** The files, or objects, of the vault are back in their places.

## Prove

7. **Command:** The ledger, the artifacts and the decisions, in this order; each has
   to exit 0:

   ```
   manage.py verify_ledger
   manage.py verify_artifacts
   manage.py replay_decisions
   ```
8. **Command:** What has to hold between the tables does:

   ```
   manage.py check_invariants
   ```
9. **Check:** Compare the ledger's head with the newest that was written down
   elsewhere. What is missing after it has to be told to everybody who acted since.

## Go on

10. **Check:** Start everything, and wait until `/readyz` is green. Runs report again
    what the portal does not know; nothing is counted twice.
11. **Act:** Release the switch as the runbook for that says, from
    [Switch](/admin/rollout/switch/).
"""

RUNBOOKS: dict[str, Runbook] = {
    "pause-and-resume": Runbook(
        title="Pause and resume a run",
        body=PAUSE_RESUME,
        rows=("revision-conflict", "audit-stream"),
        scenarios=(Scenario.PAUSE_RESUME,),
    ),
    "emergency-disable": Runbook(
        title="Emergency: turn Option C off, and roll back",
        body=EMERGENCY_DISABLE,
        rows=("web-exposure", "flag-contract", "run-revived"),
        scenarios=(Scenario.EMERGENCY_DISABLE,),
    ),
    "hard-gate-fallback": Runbook(
        title="Fallback after a hard gate failed",
        body=HARD_GATE,
        rows=(
            *("wave-output-invalid", "citation-integrity", "summary-or-synthesis"),
            *("gate-inputs-drift", "misconfigured-sensitivity"),
        ),
        scenarios=(Scenario.HARD_GATE_FALLBACK,),
    ),
    "forced-timeout": Runbook(
        title="A run hangs, or was ended by the watchdog",
        body=TIMEOUT,
        rows=("silent-hang",),
        scenarios=(Scenario.FORCED_TIMEOUT,),
    ),
    "blocked-sources": Runbook(
        title="Sources are blocked", body=SOURCES, rows=("sources-blocked",)
    ),
    "provider-outage": Runbook(
        title="A model or a provider fails", body=PROVIDER, rows=("provider-outage",)
    ),
    "lift-the-switch": Runbook(
        title="Release the switch again", body=LIFT, rows=("flag-contract",)
    ),
    "restore-from-backup": Runbook(title="Restore from a backup", body=RESTORE),
}
