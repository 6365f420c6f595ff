"""What the policy said about a run, and why: each result beside the rule that gave it."""

from __future__ import annotations

from collections.abc import Iterable

from data.contracts.errors import RecordNotFoundError
from data.contracts.explanation import ExplainedRule, PolicyExplanation
from data.contracts.policy import Rule, RulePack, RuleResult
from data.contracts.underwriting import Underwriting
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger
from flows.service import forks
from tools.policy_expressions import in_words


async def explain(ledger: Ledger, run_id: str) -> PolicyExplanation:
    """Explain what every rule said about a run, in the words of the pack that it has pinned.

    Raises RecordNotFoundError before the policy has judged the run, and ConflictError when what
    the run has pinned cannot be read any more.
    """
    run = await ledger.read(runs.find, run_id)
    result = Underwriting.model_validate(run.state).policy
    if result is None:
        raise RecordNotFoundError("the policy has not judged this run yet")
    pack = (await forks.pinned_rulebook(ledger, run)).policy
    return PolicyExplanation(
        run_id=run_id,
        recommendation=result.recommendation,
        rules=explained(result.results, pack),
        pack_id=result.pack_id,
        pack_version=result.pack_version,
        pack_sha256=result.pack_sha256,
    )


def explained(results: Iterable[RuleResult], pack: RulePack) -> tuple[ExplainedRule, ...]:
    """Each result beside the rule of the pack that gave it."""
    rules = {rule.id: rule for rule in pack.rules}
    return tuple(_explained(said, rules[said.rule_id]) for said in results)


def _explained(said: RuleResult, rule: Rule) -> ExplainedRule:
    return ExplainedRule(
        **said.model_dump(),
        label=rule.label,
        condition=in_words(rule.when),
        owner=rule.owner,
        source=rule.source,
    )
