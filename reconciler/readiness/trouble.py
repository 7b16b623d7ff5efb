"""What is wrong, told once: a host that is down keeps many checks from being made, of many resources. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.address import Address
from reconciler.model.diagnostic import Cause, Diagnostic, Severity
from reconciler.readiness.gate import ACTIVE, CheckResult, Verdict

_WRONG = (Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Trouble:
    """`root` says it best and knows the remedy; `others` have the same cause, and may be blocking where it is not."""

    root: CheckResult
    others: tuple[CheckResult, ...] = ()

    @property
    def results(self) -> tuple[CheckResult, ...]:
        return (self.root, *self.others)

    @property
    def unmade(self) -> tuple[CheckResult, ...]:
        """What isn't known because of it; that others noticed the same is no news."""
        return tuple(result for result in self.others if result.check != self.root.check)

    @property
    def is_shut(self) -> bool:
        """Whether it keeps a gate shut."""
        return any(result.is_shut for result in self.results)

    @property
    def verdict(self) -> Verdict:
        """What it amounts to: a failure if one is proven."""
        found = {result.verdict for result in self.results if result.is_shut or not self.is_shut}
        return next(verdict for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN) if verdict in found)

    @property
    def is_shared(self) -> bool:
        """Whether it is about something else than the one check that noticed it."""
        return bool(self.others or self.root.cause)


def troubles(results: Iterable[CheckResult]) -> tuple[Trouble, ...]:
    """Everything that neither passed nor was skipped; what has the same cause is together, where its first stood."""
    groups: dict[str, list[CheckResult]] = {}
    for result in results:
        if result.verdict in _WRONG:
            groups.setdefault(result.why, []).append(result)
    return tuple(map(_trouble, groups.values()))


def _trouble(group: list[CheckResult]) -> Trouble:
    noticed = (result for result in group if result.check.startswith("net."))
    root = next(noticed, next((result for result in group if not result.cause), group[0]))
    return Trouble(root, tuple(result for result in group if result is not root))


def findings(address: Address, checks: Iterable[CheckResult]) -> tuple[Diagnostic, ...]:
    """Why the gate of `address` is shut, as errors: one for each cause."""
    return tuple(_finding(address, trouble) for trouble in troubles(checks) if trouble.is_shut)


def _finding(address: Address, trouble: Trouble) -> Diagnostic:
    root = trouble.root
    code = "gate.failed" if trouble.verdict is Verdict.FAIL else "gate.unknown"
    if not trouble.is_shared:
        return Diagnostic(Severity.ERROR, code, _summary(address, root), "\n".join(_advice(root)), address=address)
    blocked = [result for result in trouble.results if result.is_shut]
    count = f"{len(blocked)} check{'s' if len(blocked) != 1 else ''}"
    told = root.why.replace(f" of {address}:", ":", 1)
    advice = "\n".join(_advice(root))
    detail = "\n".join([f"Because of it {count} can't be made:", *_names(blocked, address), advice])
    cause = Cause(root.why, f"activate {address} ({count})", advice)
    return Diagnostic(Severity.ERROR, code, f"{address} is not activated: {told}", detail, address=address, cause=cause)


def _summary(address: Address, check: CheckResult) -> str:
    evidence = check.evidence if check.check == ACTIVE else f"{check.check}: {check.evidence}"
    if check.address == address:
        return f"{address} is not activated: {evidence}"
    return f"{address} is not activated: it needs {check.address}, and {evidence}"


def _advice(check: CheckResult) -> Iterator[str]:
    if check.remedy:
        yield check.remedy
    if check.check != ACTIVE:
        yield f"`reconciler explain {check.check}` tells more."


def _names(results: Iterable[CheckResult], address: Address) -> Iterator[str]:
    for whose, names in names_of(results).items():
        yield f"  {', '.join(names)}{'' if whose == address else f' of {whose}'}"


def names_of(results: Iterable[CheckResult]) -> Mapping[Address, list[str]]:
    """The names of the checks, by the resource they are about."""
    found: dict[Address, list[str]] = {}
    for result in results:
        found.setdefault(result.address, []).append(result.check)
    return found
