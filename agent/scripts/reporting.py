"""Results for people, for CI servers (JUnit XML) and for programs (JSON)."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from string import Template
from xml.etree import ElementTree

from agent.scripts.assertions import Missed
from agent.scripts.suite import Pictures, Result, Told


def line_of(result: Result) -> str:
    """One conversation in one line."""
    mark = "passed" if result.passed else "FAILED"
    turns = sum(bool(told.said) for told in result.told)
    count = f"{turns} turn{'s' * (turns != 1)}"
    return f"{mark}  {result.name}  ({count}, {result.seconds:.1f} s)"


def details(result: Result) -> list[str]:
    """What a conversation missed, with file and line."""
    lines = [f"  {result.broken}"] if result.broken else []
    for told in result.told:
        if told.missed:
            said = f'"{told.said}"' if told.said else "at the end"
            lines.append(f"  {told.file}:{told.number}  {said}")
            lines += [f"    {_sentence(missed)}" for missed in told.missed]
            lines.append(f"    the reply was: {told.reply}")
    return lines


def spread(results: Sequence[Result]) -> list[str]:
    """How the repeats of one conversation went, and how its numbers vary."""
    passed = sum(result.passed for result in results)
    lines = [f"  {passed} of {len(results)} repeats passed"]
    numbers: dict[tuple[int, str], list[float]] = {}
    for result in results:
        for told in result.told:
            for name, value in told.measured.items():
                numbers.setdefault((told.number, name), []).append(value)
    for (number, name), values in numbers.items():
        low, mean, high = min(values), fmean(values), max(values)
        lines.append(f"    line {number}  {name}: {low:.3g} … {mean:.3g} … {high:.3g}")
    return lines


def write_json(results: Iterable[Result], file: Path) -> None:
    """Write all results for programs."""
    rows = [
        {
            "name": result.name,
            "file": str(result.file),
            "seed": result.seed,
            "passed": result.passed,
            "seconds": round(result.seconds, 2),
            "broken": result.broken,
            "turns": [_row(told) for told in result.told],
        }
        for result in results
    ]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_junit(results: Sequence[Result], file: Path) -> None:
    """Write all results as CI servers read them."""
    failed = sum(not result.passed for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name="palimpsest",
        tests=str(len(results)),
        failures=str(failed),
        time=f"{sum(result.seconds for result in results):.2f}",
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=str(result.file), name=result.name,
            time=f"{result.seconds:.2f}",
        )  # fmt: skip
        if not result.passed:
            text = "\n".join(details(result))
            first = result.broken or _sentence(result.missed[0])
            ElementTree.SubElement(case, "failure", message=first).text = text
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


def write_html(results: Sequence[Result], file: Path) -> None:
    """Write one page that needs nothing else, with the pictures of every turn that failed."""
    failed = sum(not result.passed for result in results)
    page = Template((files(__package__) / "report.html").read_text("utf-8"))
    summary = f"{len(results) - failed} of {len(results)} conversations passed"
    ordered = sorted(results, key=lambda result: result.passed)
    body = "\n".join(_section(result) for result in ordered)
    file.write_text(page.substitute(summary=summary, body=body), "utf-8")


def _section(result: Result) -> str:
    opened = "" if result.passed else " open"
    kind = "passed" if result.passed else "failed"
    parts = [f'<details class="{kind}"{opened}><summary>{html.escape(line_of(result))}</summary>']
    if result.broken:
        parts.append(f"<p>{html.escape(result.broken)}</p>")
    for told in result.told:
        parts.append(f"<h3>{html.escape(told.said or 'at the end')}</h3>")
        parts.append(f"<p>{html.escape(told.reply)}</p>")
        parts += [f'<p class="missed">{html.escape(_sentence(m))}</p>' for m in told.missed]
        if told.pictures is not None:
            parts.append(_figures(told.pictures))
    return "\n".join([*parts, "</details>"])


def _figures(pictures: Pictures) -> str:
    shown = {"before": pictures.before, "after": pictures.after, "mask": pictures.mask,
             "difference": pictures.difference}  # fmt: skip
    return "".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, data in shown.items()
        if data is not None
    )


def _row(told: Told) -> dict[str, object]:
    return {
        "say": told.said,
        "line": told.number,
        "reply": told.reply,
        "seconds": round(told.seconds, 2),
        "measured": {name: round(value, 4) for name, value in told.measured.items()},
        "missed": [
            {"what": ".".join(map(str, m.place)), "wanted": m.wanted, "found": m.found}
            for m in told.missed
        ],
    }


def _sentence(missed: Missed) -> str:
    what = ".".join(map(str, missed.place))
    return f"{what}: wanted {missed.wanted}, found {missed.found}"
