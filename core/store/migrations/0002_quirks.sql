CREATE TABLE quirks (
    provider   text NOT NULL,
    model      text NOT NULL,
    quirk      text NOT NULL,  -- a word of core.providers.quirks
    learnt_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model, quirk)
);

CREATE TRIGGER notify_snapshot AFTER INSERT OR DELETE ON quirks
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_notify();
