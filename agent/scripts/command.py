"""`palimpsest test`: run conversation scripts and say what was expected in vain."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from agent.exit_codes import DONE, SCRIPT_FAILED, UNREADABLE
from agent.scripts import reporting
from agent.scripts.loader import Case, ScriptError, cases, find
from agent.scripts.schema import Script
from agent.scripts.snapshots import difference, pictures, updated
from agent.scripts.suite import How, Result, repeated, run_all

EPILOG = """\
exit codes: 0 all passed, 2 a script cannot be read, 5 an expectation failed
"""


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest test` and return its exit code."""
    flags = _parser().parse_args(argv)
    if flags.schema:
        print(json.dumps(Script.model_json_schema(), indent=2))
        return DONE
    try:
        return _test(flags)
    except ScriptError as error:
        print(error, file=sys.stderr)
        return UNREADABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest test",
        description="Run conversations written as scripts (*.chat.yaml).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="scripts and folders")
    parser.add_argument("--schema", action="store_true", help="print the scripts' JSON schema")
    add = parser.add_argument_group("which").add_argument
    add("-k", metavar="WORDS", default="", help="only those with these words in name or tags")
    add("--repeat", type=int, default=1, metavar="N", help="with N seeds each; print the spread")
    add = parser.add_argument_group("how").add_argument
    add("--seed", type=int, metavar="N", help="in place of the scripts' seeds")
    add("--model", metavar="NAME", help="in place of the scripts' models")
    add("--llm", choices=("live", "record", "replay"), help="where scripts want an LLM")
    add("--go-on", action="store_true", help="go on after a turn that failed")
    add("-j", type=int, default=1, metavar="N", help="this many side by side")
    add = parser.add_argument_group("what comes of it").add_argument
    add("--update", action="store_true", help="rewrite expectations that failed; not in CI")
    add("--json", type=Path, metavar="FILE", help="all results for programs")
    add("--junit", type=Path, metavar="FILE", help="all results as JUnit XML")
    add("--html", type=Path, metavar="FILE", help="a page with the pictures of what failed")
    return parser


def _test(flags: argparse.Namespace) -> int:
    if not flags.paths:
        raise ScriptError("Name scripts or folders: palimpsest test tests/conversations")
    if flags.update and os.environ.get("CI"):
        raise ScriptError("--update changes scripts, which is not for CI; run it by hand.")
    wanted = [_chosen(case, flags) for case in _read(find(flags.paths))]
    wanted = [case for case in wanted if _fits(case, flags.k)]
    if not wanted:
        raise ScriptError(f'No conversation fits "{flags.k}".')
    runs = [again for case in wanted for again in repeated(case, flags.repeat)]
    results: list[Result] = []
    for result in run_all(runs, How(flags.llm, flags.go_on or flags.update), flags.j):
        results.append(result)
        _tell(results, flags.repeat)
    failed = [result for result in results if not result.passed]
    _write(results, flags)
    if flags.update and failed:
        return _update(failed, of=len(results))
    print(f"\n{len(results) - len(failed)} of {len(results)} passed")
    return SCRIPT_FAILED if failed else DONE


def _read(files: Iterable[Path]) -> list[Case]:
    """Read all scripts, and tell of every one that cannot be read."""
    found, wrong = [], []
    for file in files:
        try:
            found += cases(file)
        except ScriptError as error:
            wrong.append(str(error))
    if wrong:
        raise ScriptError("\n".join(wrong))
    return found


def _chosen(case: Case, flags: argparse.Namespace) -> Case:
    """A case with what the flags put in place of its own."""
    given = {name: getattr(flags, name) for name in ("seed", "model")}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(case, defaults=case.defaults.model_copy(update=changes))


def _fits(case: Case, words: str) -> bool:
    named = " ".join([case.name, case.file.name, *case.script.tags]).lower()
    return all(word in named for word in words.lower().split())


def _tell(results: list[Result], repeats: int) -> None:
    """Print what is new; of repeats, only their sum."""
    result = results[-1]
    if repeats == 1 or not result.passed:
        print("\n".join([reporting.line_of(result), *reporting.details(result)]), flush=True)
    if repeats > 1 and len(results) % repeats == 0:
        print("\n".join([result.name, *reporting.spread(results[-repeats:])]), flush=True)


def _write(results: list[Result], flags: argparse.Namespace) -> None:
    if flags.json:
        reporting.write_json(results, flags.json)
    if flags.junit:
        reporting.write_junit(results, flags.junit)
    if flags.html:
        reporting.write_html(results, flags.html)


def _update(failed: list[Result], of: int) -> int:
    """Rewrite the scripts of what failed, show how, and say whether anything is left to do."""
    left = 0
    for file in dict.fromkeys(result.file for result in failed):
        own = [result for result in failed if result.file == file]
        missed = [miss for result in own for miss in result.missed]
        text = updated(file, missed)
        print(difference(file, text), end="")
        file.write_text(text, "utf-8")
        for name, image in pictures(file, missed).items():
            name.parent.mkdir(parents=True, exist_ok=True)
            image.save(name)
            print(f"{name} (stored anew)")
        left += sum(miss.instead is None for miss in missed) + sum(bool(r.broken) for r in own)
    print(f"\n{of - len(failed)} of {of} passed" if left else f"\n{len(failed)} updated")
    if left:
        print(f"{left} could not be rewritten; look at them by hand.", file=sys.stderr)
    return SCRIPT_FAILED if left else DONE
