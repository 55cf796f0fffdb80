"""One benchmark item: what is asked, how its answer is scored, how a failure is written down.

Handed `Chat` for model and judge; retries belong to whoever runs it. A failure is never a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core import judge as judging
from core.checks import deterministic, formatted
from core.errors import TouchstoneError, UnreadableReply, UpstreamRejected
from core.records import Chat, Message, Model, Question, Reply, Result, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who grades: ``id`` is its ``provider/name``, ``prompt`` what it is told."""

    id: str
    chat: Chat
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One model on one task, for the nth time."""

    model: Model
    task: Task
    repeat: int = 1

    @property
    def label(self) -> str:
        again = f" #{self.repeat}" if self.repeat > 1 else ""
        return f"{self.model.id} · {self.task.id}{again}"


def items(models: Sequence[Model], tasks: Sequence[Task], repeats: int) -> list[Item]:
    """Every model × task × repeat, neighbours on different models: providers work side by side."""
    return [
        Item(model=model, task=task, repeat=repeat)
        for repeat in range(1, repeats + 1)
        for task in tasks
        for model in models
    ]


def blank(run_id: str, item: Item) -> Result:
    """The result that is yet to be filled in."""
    return Result(
        run_id=run_id,
        provider=item.model.provider,
        model=item.model.name,
        task_id=item.task.id,
        task_version=item.task.version,
        category=item.task.category,
        repeat=item.repeat,
        status="infra_error",
    )


def question(task: Task, max_tokens: int) -> Question:
    """The task's prompt as a user would send it."""
    return Question(messages=(Message(role="user", content=task.prompt),), max_tokens=max_tokens)


def answered(result: Result, reply: Reply) -> Result:
    """With the model's answer, yet without a score: it waits for its judge."""
    return replace(
        result,
        status="judge_error",
        error="not judged yet",
        answer=reply.text,
        latency_ms=reply.latency_ms,
        ttft_ms=reply.ttft_ms,
        tokens_in=reply.usage.tokens_in,
        tokens_out=reply.usage.tokens_out,
    )


def scored(result: Result, task: Task) -> Result:
    """Scored without a judge. Empty, cut off or refused: it is an answer all the same."""
    check = deterministic if task.scoring == "deterministic" else formatted
    score = check(result.answer or "", task.spec)
    return replace(result, status="ok", error=None, score=score)


async def judged(result: Result, task: Task, judge: Judge) -> Result:
    """Scored by the mean of the judge's grades; raises what the judge's call raises."""
    seed = f"{result.provider}/{result.model}/{result.task_id}/{result.repeat}"
    grades = await judging.grade(judge.chat, task, result.answer or "", judge.prompt, seed=seed)
    return replace(
        result,
        status="ok",
        error=None,
        score=sum(grade.score for grade in grades) / len(grades),
        criteria=grades,
        judge=judge.id,
        self_judged=judge.id == f"{result.provider}/{result.model}",
    )


def failed(result: Result, exc: TouchstoneError) -> Result:
    """No score, with what went wrong: the judge once there is an answer, else model or provider."""
    if result.answer is not None:
        status = "judge_error"
        error = f"the judge: {exc.message}"
    else:
        status = "model_error" if isinstance(exc, UpstreamRejected) else "infra_error"
        error = exc.message
    if isinstance(exc, UnreadableReply):
        error = f"the judge's reply could not be read: {exc.message}"
    return replace(result, status=status, score=None, error=error)


def unjudgeable(result: Result) -> Result:
    """A judged task when there is no judge: nobody is asked, and the remedy is named."""
    return replace(
        result,
        status="judge_error",
        error="no judge is set: BENCHMARK_JUDGE_PROVIDER and BENCHMARK_JUDGE_MODEL",
    )
