"""The scores as a frame and as files, read from a real database."""

import csv
import io
import json

import pandas as pd
import pytest

from core.errors import BadRequest, StoreUnavailable
from core.records import Result, Run
from core.store.results import save_result
from core.store.runs import start_run
from dashboards import export, frames


@pytest.fixture
async def measured(pool):
    await start_run(pool, Run(id="r", flow="run_benchmarks", state="running"))
    common = {"run_id": "r", "provider": "p", "task_version": 1, "category": "coding"}
    ok = Result(**common, model="a", task_id="t", score=8.5, latency_ms=12.0, tokens_out=3)
    told = '=HYPERLINK("x"), "quoted"\nnext line'
    failed = Result(**common, model="a", task_id="u", status="model_error", error=told)
    for result in (ok, failed):
        await save_result(pool, result)


async def test_the_frame_has_its_documented_columns_and_types(measured, url):
    frame = frames.scores(url)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == frames.SCORES
    assert frame["score"].tolist()[0] == 8.5
    assert frame["score"].isna().tolist() == [False, True]
    means = frame.groupby(["model", "category"], observed=True)["score"].agg(["mean", "count"])
    assert means.loc[("a", "coding")].tolist() == [8.5, 1], "a failure is no score"


async def test_an_empty_database_gives_an_empty_frame_of_the_same_shape(pool, url):
    frame = frames.scores(url)
    assert frame.empty
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == frames.SCORES


def test_a_database_that_is_away_is_named_and_its_password_is_not():
    with pytest.raises(StoreUnavailable) as caught:
        frames.scores("postgresql://me:geheim@127.0.0.1:9/x?connect_timeout=2")
    assert "geheim" not in str(caught.value)


async def test_csv_is_read_back_as_it_was_and_runs_no_formula(measured, url, tmp_path):
    file = tmp_path / "scores.csv"
    assert await export.scores(url, file) == 2
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert list(rows[0]) == list(frames.SCORES)
    assert float(rows[0]["score"]) == 8.5
    assert rows[1]["score"] == ""
    assert rows[1]["error"] == '\'=HYPERLINK("x"), "quoted"\nnext line'


async def test_jsonl_holds_an_object_a_line(measured, url, tmp_path):
    file = tmp_path / "scores.jsonl"
    await export.scores(url, file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["score"] for row in rows] == [8.5, None]
    assert set(rows[0]) == set(frames.SCORES)


async def test_parquet_keeps_the_types(measured, url, tmp_path):
    file = tmp_path / "scores.parquet"
    await export.scores(url, file)
    found = pd.read_parquet(file)
    assert found["score"].tolist()[0] == 8.5
    assert str(found["created_at"].dtype) == frames.SCORES["created_at"]


async def test_another_ending_is_refused_before_anything_is_written(measured, url, tmp_path):
    with pytest.raises(BadRequest, match=r"\.parquet"):
        await export.scores(url, tmp_path / "scores.xlsx")
    assert list(tmp_path.iterdir()) == []


async def test_reading_cannot_write(pool, url):
    async def rows(opened):
        async with opened.connection() as conn:
            await conn.execute("DELETE FROM results")
        yield {}

    with pytest.raises(Exception, match="read-only"):
        frames._read(url, rows)
