"""The nodes of the conversation graph: each takes the conversation and returns what changes.

A node does one thing and its result is saved before the next begins, so a kill loses at most one
solver run: understand → ask? → move, adjust or edit ⇄ check, one plan step at a time → reply.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent import adjusting, regions, replies, retry, verify
from agent.actions import carry_out
from agent.background import Stopped, until_stopped
from agent.choosing import chosen_settings, region_of, seed_of, settings_of, start
from agent.context import ChatContext, Edited
from agent.state import Adjust, Ask, Choose, Conversation, EditStep, Message, Plan, Try, Turn, Usage
from agent.turn_tree import NoSuchTurn
from editing_core.settings import OTHER_SEED
from editing_core.worlds.registry import world_named
from tools.arguments import InputError
from tools.inspection import StrangePicture
from tools.regions import EVERYWHERE

logger = logging.getLogger(__name__)
Update = dict[str, Any]
LONGEST_ERROR = 300  # characters of an error that a reply repeats


def settled(state: Conversation) -> Update:
    """Return the history of heads once a message, finished or cut off, is behind us."""
    moved = state.head != state.before
    messages = list(state.messages)
    if messages and not messages[-1].reply:
        messages[-1] = messages[-1].model_copy(update={"after": state.head})
    return {
        "past": [*state.past, state.before] if moved else state.past,
        "future": [] if moved else state.future,
        "before": state.head,
        "at": None,
        "messages": messages,
    }


def understand(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Turn the message into a plan, unless the plan came with it (a /command)."""
    emit(runtime, "turn.started", request=state.request, reader=_reader(state, runtime))
    spent = _spent(runtime)
    update = settled(state)  # an earlier message may have been cut off
    now = state.model_copy(update=update)
    plan = state.plan or _read(state.request, now, runtime)
    steps = [step.model_dump(mode="json") for step in plan.steps]
    emit(runtime, "plan", steps=steps, note=plan.note)
    number = len(now.messages) + 1
    message = Message(
        id=number,
        text=state.request,
        before=state.head,
        after=state.head,
        usage=_spent(runtime) - spent,
    )
    return update | {
        "messages": [*now.messages, message],
        "plan": plan,
        "position": 0,
        "tries": [],
        "said": [plan.note] if plan.note else [],
        "failure": "",
    }


def _reader(state: Conversation, runtime: Runtime[ChatContext]) -> str:
    if state.plan is not None:
        return "command"
    return "offline" if runtime.context.llm is None else "llm"


def _read(
    message: str, state: Conversation, runtime: Runtime[ChatContext], question: str = ""
) -> Plan:
    """Read a message, or the answer to a question; Ctrl-C does not wait for a slow LLM."""
    from agent.understand import understand as read_message  # its word lists take a while to load

    def stopped() -> bool:
        return runtime.control is not None and runtime.control.drain_requested

    def work() -> Plan:
        return read_message(message, state, runtime.context, question=question)

    if runtime.context.llm is None:
        return work()
    return until_stopped(work, stopped)


def route(state: Conversation) -> Literal["adjust", "ask", "edit", "move", "reply"]:
    """Choose the node for the next step of the plan."""
    step = current(state)
    if step is None or state.failure:
        return "reply"
    if isinstance(step, Ask):
        return "ask"
    if isinstance(step, Adjust):
        return "adjust"
    return "edit" if isinstance(step, EditStep) else "move"


def current(state: Conversation) -> Any:
    """Return the step to do now, or None when the plan is done."""
    steps = state.plan.steps if state.plan else ()
    return steps[state.position] if state.position < len(steps) else None


def after(state: Conversation) -> Any:
    """Return the step after the current one, or None."""
    return current(state.model_copy(update={"position": state.position + 1}))


def ask(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Put the question; the answer, or the default if nobody can answer, is read as a message."""
    question: Ask = current(state)
    if runtime.context.interactive:
        answer = str(interrupt(question.model_dump(mode="json")) or "").strip()
        state = _noted(state, answer=answer)
        text = answer or question.default
    else:
        emit(runtime, "question", **question.model_dump(mode="json", exclude={"step"}))
        text = question.default
        state = _noted(state, answer=text)
        if text:
            took = f"{question.question} Nobody answered, so I took “{text}”."
            state = state.model_copy(update={"said": [*state.said, took]})
    planned = state.plan or Plan()
    done, before = planned.steps[: state.position], planned.reply
    if not text:
        hint = "; ".join(question.options[:4])
        again = f"{question.question} For example: {hint}." if hint else question.question
        dropped = Plan(steps=done, reply=before)
        return {"plan": dropped, "said": [*state.said, again], "messages": state.messages}
    spent = _spent(runtime)
    plan = _answered(text, question, state, runtime)
    state = _noted(state, usage=state.messages[-1].usage + _spent(runtime) - spent)
    steps = [step for step in plan.steps if not isinstance(step, Ask)]
    said = [plan.note] if plan.note else []
    if not steps and not plan.note and not plan.reply:
        said = ["I did not understand that answer, so nothing was changed."]
    emit(runtime, "plan", steps=[s.model_dump(mode="json") for s in steps], note=plan.note)
    reply = " ".join(filter(None, (before, plan.reply)))
    plan = Plan(steps=(*done, *steps), reply=reply)
    return {"plan": plan, "said": [*state.said, *said], "messages": state.messages}


def _spent(runtime: Runtime[ChatContext]) -> Usage:
    """Return what the LLM has done so far."""
    llm = runtime.context.llm
    return Usage() if llm is None else llm.used


def _noted(state: Conversation, **changes: str | Usage) -> Conversation:
    """Return the conversation with something noted of the message being worked on."""
    last = state.messages[-1].model_copy(update=changes)
    return state.model_copy(update={"messages": [*state.messages[:-1], last]})


def _answered(
    answer: str, question: Ask, state: Conversation, runtime: Runtime[ChatContext]
) -> Plan:
    """Read an answer: the option that it picks, nothing at all, or a message of its own."""
    from agent.offline.talk import chosen, drops

    option = chosen(answer, question)
    if option is None and drops(answer, plainly=runtime.context.llm is None):
        nothing = "nothing was changed" if state.position == 0 else "nothing more was changed"
        return Plan(note=f"The question is dropped; {nothing}.")
    return _read(option or answer, state, runtime, question.question)


def move(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Carry out a step that makes no picture: moves, questions, saving."""
    step = current(state)
    try:
        if isinstance(step, Choose) and step.setting == "region":
            regions.refuse_outside(str(step.value), state, runtime.context.pictures)
        update = carry_out(step, state)
    except (NoSuchTurn, InputError) as error:
        return {"failure": f"That cannot be done: {str(error).rstrip('.')}."}
    if update.get("head", state.head) != state.head:
        turn = state.turns[update["head"]]
        path = picture_path(runtime.context, turn.picture)
        emit(runtime, "head.moved", **{"from": state.head, "to": turn.id}, picture=path)
    if (saved := update.pop("save", None)) is not None:
        turn = state.turns[state.head]
        path = picture_path(runtime.context, turn.picture)
        if path is None:
            return {"failure": "That cannot be done: the picture was only planned."}
        told = {"turn": turn.id, "request": turn.request}
        emit(runtime, "save", path=saved.path, clean=saved.clean, picture=path, **told)
    return {"position": state.position + 1} | update


def adjust(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Do a plain operation, which is exact, so that nothing has to be checked or tried again."""
    try:
        turn = adjusting.done(state, current(state), runtime.context)
    except InputError as error:
        return {"failure": f"That cannot be done: {str(error).rstrip('.')}."}
    if turn is None:
        size = runtime.context.pictures.image(start(state).picture).size
        said = [*state.said, replies.nothing_done(current(state), size)]
        return {"position": state.position + 1, "said": said, **_landed(state, start(state).id)}
    return _taken(state, turn, runtime, adjusting.region_moved(state, turn, runtime.context))


def edit(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Make one try of the current edit; the next is another seed, or stronger or weaker."""
    step, studio = current(state), runtime.context
    rung = retry.next_try(state.tries, studio.settings.retries) if state.tries else None
    rung = rung or "first"
    seed = seed_of(state, studio) + (OTHER_SEED if rung == "another seed" else 0)
    head = start(state)
    if studio.edit is None:
        return {"tries": [Try(picture="")]}

    def on_step(phase: str, i: int, of: int) -> None:
        emit(runtime, "step", phase=phase, i=i, of=of)
        if runtime.control is not None and runtime.control.drain_requested:
            raise Stopped

    try:
        edited: Edited = studio.edit(
            head=head.picture,
            original=head.original,
            step=step,
            settings=settings_of(state, studio, step).rung(rung),
            seed=seed,
            method=chosen_settings(state, studio).method,
            on_step=on_step,
            region=region_of(state, studio, step),
        )
    except InputError as error:
        if isinstance(error, StrangePicture):
            emit(runtime, "model.unfit", error=str(error))
        return {"failure": f"{str(error).rstrip('.')}.", "tries": []}
    except Exception as error:
        logger.debug("the edit failed", exc_info=True)
        reason = " ".join(str(error).split())[:LONGEST_ERROR].rstrip(".") or type(error).__name__
        return {"failure": f"The edit “{step.request}” failed: {reason}.", "tries": []}
    attempt = Try(
        picture=edited.picture,
        mask=edited.mask,
        crop=edited.crop,
        working=edited.working,
        rung=rung,
        seed=seed,
        seconds=edited.seconds,
        forwards=edited.forwards,
    )
    return {"tries": [*state.tries, attempt]}


def check(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Judge the last try; go for another one, or accept the best as a turn."""
    studio, attempt = runtime.context, state.tries[-1]
    if studio.edit is not None:
        images, spent = studio.pictures, _spent(runtime)
        verdict = verify.judge(
            images.image(start(state).picture),
            images.image(attempt.picture),
            images.image(attempt.mask) if attempt.mask else None,
            current(state),
            studio.eyes,
            close_up=_close_up(attempt),
            world=known.name if (known := world_named(studio.settings.model)) else "",
        ).model_copy(update={"rung": attempt.rung})
        attempt = attempt.model_copy(update={"check": verdict})
        state = _noted(state, usage=state.messages[-1].usage + _spent(runtime) - spent)
        emit(runtime, "check", **verdict.model_dump())
    tries = [*state.tries[:-1], attempt]
    if retry.next_try(tries, studio.settings.retries) is not None:
        return {"tries": tries, "messages": state.messages}
    return _taken(state, accepted(state, tries, studio), runtime)


def _close_up(attempt: Try) -> verify.CloseUp | None:
    """Return what the model saw of the picture, if not all of it."""
    if attempt.crop is None or attempt.working is None:
        return None
    return verify.CloseUp(attempt.crop, attempt.working)


def _taken(
    state: Conversation, turn: Turn, runtime: Runtime[ChatContext], more_said: str = ""
) -> Update:
    """Take a new turn into the conversation, and go on with the plan."""
    studio = runtime.context
    emit(runtime, "turn.completed", turn=turn.id, parent=turn.parent, message=turn.message,
         request=turn.request, caption=turn.caption, seed=turn.seed,
         picture=picture_path(studio, turn.picture), seconds=turn.report["seconds"],
         forwards=int(turn.report["forwards"]),
         crop=next((t.crop for t in turn.tries if t.picture == turn.picture), None))  # fmt: skip
    return {
        "turns": [*state.turns, turn],
        **_landed(state, turn.id),
        "tries": [],
        "messages": state.messages,
        "position": state.position + 1,
        "said": [*state.said, *filter(None, [_said_of(turn, state), more_said])],
    }


def _landed(state: Conversation, number: int) -> Update:
    """Put the head at a turn; while the plan goes on elsewhere, only the place it goes on from."""
    more = isinstance(after(state), EditStep | Adjust)
    return {"at": number} if state.at is not None and more else {"head": number, "at": None}


def _said_of(turn: Turn, state: Conversation) -> str:
    """Say what an edit did, or, where an LLM says that in its own words, only what was seen."""
    told = turn.picture and state.plan is not None and state.plan.reply
    return replies.outcome(turn) if told else replies.of_turn(turn)


def route_check(state: Conversation) -> Literal["adjust", "ask", "edit", "move", "reply"]:
    """Try again if the last try was not accepted, else with the plan."""
    return "edit" if state.tries else route(state)


def accepted(state: Conversation, tries: list[Try], studio: ChatContext) -> Turn:
    """Make the turn of the best try."""
    step: EditStep = current(state)
    kept, head = retry.best(tries), start(state)
    settings, region = chosen_settings(state, studio), region_of(state, studio, step)
    return Turn(
        id=len(state.turns),
        parent=head.id,
        message=state.messages[-1].id,
        request=replies.request_of(step, state.request),
        step=step,
        caption=step.target_prompt,
        picture=kept.picture,
        original=head.original,
        seed=kept.seed,
        preset=settings.preset,
        method=settings.method,
        mask=kept.mask,
        region="" if region == EVERYWHERE else region,
        check=kept.check,
        report={
            "seconds": round(sum(t.seconds for t in tries), 2),
            "forwards": sum(t.forwards for t in tries),
            "tries": len(tries),
            "notches": step.strength + settings.strength,
        },
        tries=tuple(tries),
    )


def reply(state: Conversation, runtime: Runtime[ChatContext]) -> Update:
    """Say what was done, and close the message."""
    if state.failure:
        emit(runtime, "turn.failed", error=state.failure)
    text = " ".join(filter(None, [*_lead(state), *state.said, state.failure]))
    text = text or "Nothing had to be changed."
    emit(runtime, "reply", text=text)
    update = settled(state)
    closed = {"reply": text, "failure": state.failure}
    update["messages"][-1] = update["messages"][-1].model_copy(update=closed)
    return update | {"request": "", "plan": None, "tries": [], "said": [], "failure": ""}


def _lead(state: Conversation) -> list[str]:
    """Return what an LLM says about its plan; if that failed, what was done of it instead."""
    plan = state.plan or Plan()
    if not plan.reply or not state.failure:
        return [plan.reply]
    number = state.messages[-1].id
    made = (turn for turn in state.turns if turn.message == number and turn.picture)
    return [replies.done(turn) for turn in made]


def picture_path(studio: ChatContext, key: str) -> str | None:
    """Return where a picture lies, or None for one that was only planned."""
    return str(studio.pictures.path(key)) if key else None


def emit(runtime: Runtime[ChatContext], event: str, **data: Any) -> None:
    """Tell the door that something happened."""
    runtime.stream_writer({"event": event, **data})
