-- Models, what they say of themselves, the user's tasks, results, decisions, prompts.

CREATE TABLE models (
    provider       text NOT NULL,
    name           text NOT NULL,
    enabled        boolean NOT NULL DEFAULT false,
    switched       boolean,               -- a person's own switch; NULL: never touched
    present        boolean NOT NULL DEFAULT true,
    capabilities   jsonb NOT NULL DEFAULT '{}',
    has_reasoning  boolean NOT NULL DEFAULT false,
    discovered_at  timestamptz NOT NULL DEFAULT now(),
    vanished_at    timestamptz,
    reset_at       timestamptz,           -- interviews before it no longer count
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, name)
);

CREATE TABLE interviews (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider        text NOT NULL,
    model           text NOT NULL,
    status          text NOT NULL CHECK (status IN ('ok', 'model_error', 'infra_error')),
    strengths       text[] NOT NULL DEFAULT '{}',
    weaknesses      text[] NOT NULL DEFAULT '{}',
    raw_reply       text,
    error           text,
    prompt_version  integer NOT NULL DEFAULT 0,
    run_id          text,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (provider, model) REFERENCES models (provider, name) ON DELETE CASCADE
);
CREATE INDEX interviews_of_model ON interviews (provider, model, created_at DESC);

CREATE TABLE tasks (
    id               text PRIMARY KEY,
    current_version  integer NOT NULL DEFAULT 1,
    enabled          boolean NOT NULL DEFAULT true,
    builtin          boolean NOT NULL DEFAULT false,
    deleted_at       timestamptz
);

CREATE TABLE task_versions (
    task_id     text NOT NULL REFERENCES tasks (id),
    version     integer NOT NULL,
    category    text NOT NULL,
    prompt      text NOT NULL,
    scoring     text NOT NULL CHECK (scoring IN ('deterministic', 'format', 'llm-judge')),
    spec        jsonb NOT NULL DEFAULT '{}',
    shipped     boolean NOT NULL DEFAULT false,  -- the text is the one that came with Touchstone
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, version)
);

CREATE TABLE runs (
    id                   text PRIMARY KEY,
    flow                 text NOT NULL,
    state                text NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
    trigger              text NOT NULL DEFAULT 'manual',
    params               jsonb NOT NULL DEFAULT '{}',
    total                integer NOT NULL DEFAULT 0,
    completed            integer NOT NULL DEFAULT 0,
    failed               integer NOT NULL DEFAULT 0,
    current_model        text,
    error                text,
    prefect_flow_run_id  text,
    started_at           timestamptz NOT NULL DEFAULT now(),
    touched_at           timestamptz NOT NULL DEFAULT now(),
    finished_at          timestamptz
);
CREATE INDEX runs_latest ON runs (flow, started_at DESC);

CREATE TABLE results (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id        text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    provider      text NOT NULL,
    model         text NOT NULL,
    task_id       text NOT NULL,
    task_version  integer NOT NULL,
    category      text NOT NULL,
    repeat        integer NOT NULL DEFAULT 1,
    status        text NOT NULL CHECK (status IN ('ok', 'model_error', 'infra_error', 'judge_error')),
    score         double precision CHECK (score BETWEEN 0 AND 10),
    answer        text,
    error         text,
    judge         text,
    self_judged   boolean NOT NULL DEFAULT false,
    latency_ms    double precision,
    ttft_ms       double precision,
    tokens_in     integer,
    tokens_out    integer,
    attempt       integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, provider, model, task_id, task_version, repeat),
    -- a failure is never a score
    CHECK ((score IS NULL) = (status <> 'ok'))
);
CREATE INDEX results_of_model ON results (provider, model, task_id, created_at DESC);

CREATE TABLE criteria (
    result_id  bigint NOT NULL REFERENCES results (id) ON DELETE CASCADE,
    name       text NOT NULL,
    score      double precision NOT NULL CHECK (score BETWEEN 0 AND 10),
    reason     text NOT NULL DEFAULT '',
    PRIMARY KEY (result_id, name)
);

CREATE TABLE decisions (
    id             text PRIMARY KEY,
    decided_at     timestamptz NOT NULL,
    provider       text NOT NULL,
    model          text NOT NULL,
    outcome        text NOT NULL,
    category       text,
    reason         text NOT NULL DEFAULT '',
    matching_tags  text[] NOT NULL DEFAULT '{}',
    tag_relevance  jsonb NOT NULL DEFAULT '{}',
    runners_up     text[] NOT NULL DEFAULT '{}',
    meta_model     text,
    decision_ms    double precision NOT NULL,
    snapshot_id    text NOT NULL,
    cached         boolean NOT NULL DEFAULT false,
    prompt_hash    text NOT NULL,
    prompt_length  integer NOT NULL,
    prompt         text,
    status         integer NOT NULL DEFAULT 200,
    total_ms       double precision,
    request_id     text NOT NULL DEFAULT '',
    answered_by    text,
    error          text
);
CREATE INDEX decisions_latest ON decisions (decided_at DESC);

CREATE TABLE prompts (
    key         text NOT NULL,
    version     integer NOT NULL,
    text        text NOT NULL,
    is_default  boolean NOT NULL DEFAULT false,  -- this version is a return to the shipped text
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, version)
);

CREATE FUNCTION touchstone_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('touchstone_snapshot', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER notify_snapshot AFTER INSERT OR UPDATE OR DELETE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
CREATE TRIGGER notify_snapshot AFTER INSERT ON interviews
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
CREATE TRIGGER notify_snapshot AFTER INSERT OR UPDATE OR DELETE ON results
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
CREATE TRIGGER notify_snapshot AFTER INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
CREATE TRIGGER notify_snapshot AFTER INSERT OR UPDATE OR DELETE ON prompts
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
