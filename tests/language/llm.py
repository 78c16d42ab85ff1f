"""Whether the plans of an LLM are right: python -m tests.language.llm [--count 60].

The LLM is the one that chats would ask (OPENAI_BASE_URL, PALIMPSEST_LLM_MODEL ...). It gets
requests drawn from those kept aside, and conversations of six messages that are judged by what
holds at their end (six_messages.yaml). Answers that were refused at first are counted apart.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from langgraph.checkpoint.memory import InMemorySaver  # noqa: E402
from language import score  # noqa: E402
from studio_fakes import fake_studio  # noqa: E402

from agent.chat import Chat  # noqa: E402
from agent.llm.client import Server  # noqa: E402
from agent.llm.structured_output import LlmError  # noqa: E402
from agent.offline.grammar import Context  # noqa: E402
from agent.settings import AppSettings  # noqa: E402
from agent.state import Plan  # noqa: E402
from agent.understand import ask_llm  # noqa: E402
from editing_core.worlds.registry import world_of  # noqa: E402

AT_ONCE = 8


class Counting(Server):
    """A server that counts how often it was asked."""

    asked = 0

    def answer(self, *args: Any) -> Any:
        """Count, and answer."""
        self.asked += 1
        return super().answer(*args)


def server() -> Counting:
    """The LLM that chats would ask; it is shown no pictures, since there are none."""
    settings = AppSettings()
    return Counting(settings.llm_url, settings.llm_model, timeout=settings.llm_timeout, sees=False)


def request(scope: str, case: score.Case) -> tuple[bool, bool, str]:
    """Whether a request was read as meant, whether an answer was refused, and what was read."""
    llm = server()
    settings = AppSettings(model="portraits" if scope == "portraits" else "flux-dev")
    studio, _, _ = fake_studio(edit=None, llm=llm, settings=settings)
    conversation = score.conversation(case.conversation)
    try:
        plan = ask_llm(case.say, Context.of(conversation), studio)
    except LlmError as error:
        return False, True, str(error)
    return meant(case, plan), llm.asked > 1, f"{score.found(plan)} {plan.reply!r}"


def meant(case: score.Case, plan: Plan) -> bool:
    """Whether a plan is right; a mere reply also answers what may be asked about."""
    asks = any(means in ([], ["ask"]) for means in case.means)
    return score.right(case, plan) or (not plan.steps and bool(plan.reply) and asks)


def six_messages(told: dict[str, Any]) -> tuple[bool, str]:
    """Whether the state after a conversation is the wanted one, and the caption at its end."""
    portrait = world_of(told["caption"])
    settings = AppSettings(model="portraits" if portrait else "flux-dev")
    studio, _, key = fake_studio(edit=None, adjust=None, llm=server(), settings=settings)
    chat = Chat(studio, InMemorySaver(), told["name"])
    chat.open(key, told["caption"])
    for message in told["messages"]:
        list(chat.say(message))
    caption = chat.conversation.turns[chat.conversation.head].caption
    shown = portrait.parse(caption) if portrait else None
    return holds(told["state"], caption, shown), caption


def holds(state: dict[str, Any], caption: str, shown: dict[str, str] | None) -> bool:
    """Whether a caption says what a state wants: attributes, or words that it has and lacks."""
    if shown is not None:
        absent = {"pattern": "plain"}
        return all(
            shown.get(name, absent.get(name, "none")) in wanted.split("|")
            for name, wanted in state.items()
        )

    def has(words: str) -> bool:
        return any(re.search(rf"\b{re.escape(w)}\b", caption.lower()) for w in words.split("|"))

    return all(map(has, state["has"])) and not any(map(has, state["lacks"]))


def main() -> None:
    """Print the shares, and what was not right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="requests")
    args = parser.parse_args()
    rng = random.Random(11)
    drawn = [
        (scope, case)
        for scope in score.SCOPES
        for case in rng.sample(score.cases(scope, score.ASIDE), args.count // len(score.SCOPES))
    ]
    told = yaml.safe_load((score.HERE / "six_messages.yaml").read_text("utf-8"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        requests = list(pool.map(lambda item: request(*item), drawn))
        conversations = list(pool.map(six_messages, told))
    for (_, case), (right, _, found) in zip(drawn, requests, strict=True):
        if not right:
            print(f"{case.conversation}: {case.say!r}: {found}, not {case.means}")
    for one, (right, caption) in zip(told, conversations, strict=True):
        if not right:
            print(f"{one['name']}: {caption}, not {one['state']}")
    print(f"requests: {_share(right for right, _, _ in requests)} as meant, "
          f"{sum(refused for _, refused, _ in requests)} refused at first")  # fmt: skip
    print(f"conversations of six messages: {_share(right for right, _ in conversations)} as wanted")


def _share(right: Iterable[bool]) -> str:
    found = list(right)
    return f"{sum(found)} of {len(found)} ({sum(found) / len(found):.1%})"


if __name__ == "__main__":
    main()
