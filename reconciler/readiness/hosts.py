"""What was noticed about foreign hosts on the way: names, addresses, certificates, failures, redirects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from reconciler.model.spec import is_loopback
from reconciler.readiness.catalogue import CHECKS
from reconciler.readiness.context import Results, Subject
from reconciler.readiness.egress import is_literal, is_mixed_script
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, unanswered, unknown, warned
from reconciler.readiness.gate import Verdict
from reconciler.readiness.inquiry import Exchange, same_origin
from reconciler.readiness.runner import result_of

_SOON_DAYS = 14
_WORST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS, Verdict.SKIP)


def judge_hosts(subject: Subject) -> Results:
    """The worst of each check over every request that was made for the subject."""
    trace = subject.inquiry.trace
    return tuple(
        result_of(CHECKS[name], subject, _worst(judge(each, subject.options.split_horizon) for each in trace))
        for name, judge in _JUDGES.items()
    )


def _worst(findings: Iterable[Finding]) -> Finding:
    ranked = sorted(findings, key=lambda finding: _WORST.index(finding.verdict))
    return ranked[0] if ranked else skipped("nothing was asked")


def _judge_url(exchange: Exchange, split_horizon: bool) -> Finding:
    url, answer = exchange.request.url, exchange.answer
    if answer.problem == "url":
        return failed(f"{quoted(url)} is not asked: {answer.detail}", url=quoted(url))
    host = urlsplit(url).hostname or ""
    if is_literal(host) and not is_loopback(host):
        return warned(f"{quoted(url)} names an address instead of a host", "address", url=quoted(url))
    if is_mixed_script(host):
        return warned(f"{quoted(host)} mixes scripts, as a look-alike would", "mixed-script", url=quoted(url))
    return passed("every URL is an ordinary one")


def _judge_egress(exchange: Exchange, split_horizon: bool) -> Finding:
    if exchange.answer.problem == "policy":
        url = quoted(exchange.request.url)
        finding = failed(f"{url} is not asked: {exchange.answer.detail}", "BLOCKED_BY_POLICY", url=url)
        return _caused(finding, exchange, split_horizon)
    return passed("every address may be connected to")


def _judge_dns(exchange: Exchange, split_horizon: bool) -> Finding:
    if exchange.answer.problem == "dns":
        host = quoted(urlsplit(exchange.request.url).hostname)
        judge = unknown if split_horizon else failed
        return _caused(judge(f"{host} can't be found: {exchange.answer.detail}", host=host), exchange, split_horizon)
    return passed("every host name exists")


def _judge_tls(exchange: Exchange, split_horizon: bool) -> Finding:
    host, days = quoted(urlsplit(exchange.request.url).hostname), exchange.answer.certificate_days
    if exchange.answer.problem == "tls":
        return _caused(failed(f"{host} can't be trusted: {exchange.answer.detail}", host=host), exchange, split_horizon)
    if days is not None and days < _SOON_DAYS:
        return warned(f"the certificate of {host} expires in {max(days, 0.0):.0f} days", "expires", host=host)
    return passed("every certificate is valid")


def _judge_http(exchange: Exchange, split_horizon: bool) -> Finding:
    finding = unanswered(exchange.request.url, exchange.answer)
    if finding is not None and finding.verdict is Verdict.UNKNOWN:
        return finding
    return passed("every host answers")


def _judge_redirect(exchange: Exchange, split_horizon: bool) -> Finding:
    url, answer = exchange.request.url, exchange.answer
    if exchange.may_redirect or not 300 <= answer.status < 400:
        return passed("nothing was redirected")
    target = answer.headers.get("location", "")
    facts = {"url": quoted(url), "location": quoted(target)}
    nearby = exchange.request.method == "GET" and (target.startswith("/") or same_origin(url, target))
    judge = warned if nearby else failed
    return judge(f"{quoted(url)} redirects to {quoted(target) or 'nowhere'}, which is not followed", **facts)


def _caused(finding: Finding, exchange: Exchange, split_horizon: bool) -> Finding:
    """With the cause of whatever else had to do without this answer."""
    found = unanswered(exchange.request.url, exchange.answer, split_horizon=split_horizon)
    return finding._replace(cause=found.cause) if found is not None else finding


_JUDGES: dict[str, Callable[[Exchange, bool], Finding]] = {
    "net.url": _judge_url,
    "net.egress": _judge_egress,
    "net.dns": _judge_dns,
    "net.tls": _judge_tls,
    "net.http": _judge_http,
    "net.redirect": _judge_redirect,
}
