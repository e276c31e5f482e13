-- The ledger: what was decided (intent), what was tried (attempt), what is known (evidence).
-- Rows here outlive the engine's history; nothing is ever deleted by the program.

create table step (
    -- derived from the identity below, so that the idempotency key can be known before the row exists
    id                    uuid primary key,
    tenant_id             text not null,
    order_run_id          uuid not null references order_run (id),
    -- '' for a step of the whole order: absent parts are explicit, since NULLs would be distinct
    line_id               text not null default '',
    step_code             text not null,
    direction             text not null check (direction in ('do', 'undo')),
    operation             text not null,
    state                 text not null default 'new' check (state in
                          ('new', 'running', 'awaiting_callback', 'parked', 'done', 'skipped', 'cancelled', 'rejected')),
    -- number of confirmed actions
    epoch                 int not null default 0 check (epoch >= 0),
    -- the action that has reserved the step
    gate                  uuid,
    -- the last action that took effect
    last_action_id        uuid,
    -- what the engine's variable `recoveryActionId` held when the task was last fetched: correlation compares with it
    seen_action_id        uuid,
    -- codes that the calling model handles itself
    handled_codes         text[] not null default '{}',
    outputs               jsonb not null default '{}',
    rejected_code         text,
    -- an applied effect that a person attested to be undone outside
    undone                boolean not null default false,
    process_definition_id text not null,
    process_instance_id   text not null,
    activity_id           text not null,
    external_task_id      text not null,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),
    unique (order_run_id, line_id, step_code, direction),
    check ((state = 'rejected') = (rejected_code is not null)),
    check (gate is null or state = 'parked')
);
create index step_at_work on step (updated_at) where state in ('new', 'running', 'awaiting_callback') or gate is not null;

create table intent (
    id                uuid primary key,
    tenant_id         text not null,
    step_id           uuid not null references step (id),
    generation        int not null check (generation > 0),
    operation         text not null,
    operation_version int not null,
    idempotency_key   text not null unique,
    -- method, path, headers, body as they are sent; credentials are added by the sender
    request           jsonb not null,
    payload_hash      text not null,
    created_at        timestamptz not null default now(),
    unique (step_id, generation)
);

create table attempt (
    id                uuid primary key,
    tenant_id         text not null,
    step_id           uuid not null references step (id),
    intent_id         uuid not null references intent (id),
    number            int not null check (number > 0),
    epoch             int not null,
    state             text not null default 'open' check (state in ('open', 'unknown', 'settled')),
    worker_id         text not null,
    external_task_id  text not null,
    opened_at         timestamptz not null default now(),
    -- no byte leaves after this
    send_before       timestamptz not null,
    -- and no sender is at work after this
    over_at           timestamptz not null,
    outcome           jsonb,
    -- lookups: [{at, said}]
    reads             jsonb not null default '[]',
    next_read_at      timestamptz,
    callback_deadline timestamptz,
    verdict           jsonb,
    -- travels with the report as a variable, so that the engine's history can prove it arrived
    report_id         uuid,
    reported_at       timestamptz,
    settled_at        timestamptz,
    unique (step_id, number),
    check ((state = 'open') = (outcome is null)),
    check ((state = 'settled') = (settled_at is not null)),
    check (send_before < over_at)
);
-- No effect twice: a second sender cannot even begin.
create unique index attempt_one_open on attempt (step_id) where state = 'open';
create index attempt_to_read on attempt (next_read_at) where state = 'unknown';
create index attempt_open on attempt (over_at) where state = 'open';

-- What was proven, by whom; appended, never changed.
create table evidence (
    id          bigint generated always as identity primary key,
    tenant_id   text not null,
    attempt_id  uuid not null references attempt (id),
    source      text not null check (source in ('exchange', 'lookup', 'attestation', 'crash')),
    -- who says so, where a person does
    principal   text,
    detail      jsonb not null,
    recorded_at timestamptz not null default now(),
    check ((source = 'attestation') = (principal is not null))
);
create index evidence_of_attempt on evidence (attempt_id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger evidence_is_append_only before update or delete on evidence
    for each row execute function refuse_change();
-- Intents are what was decided: the same bytes for ever.
create trigger intent_is_immutable before update or delete on intent
    for each row execute function refuse_change();

-- Only the same key may be tried while an attempt of the step is open or unknown.
create function attempt_follows_the_rules() returns trigger language plpgsql as $$
begin
    if exists (select 1 from attempt a where a.step_id = new.step_id and a.state <> 'settled' and a.intent_id <> new.intent_id) then
        raise exception 'step % has an unresolved attempt of another intent', new.step_id;
    end if;
    return new;
end $$;
create trigger attempt_same_key before insert on attempt
    for each row execute function attempt_follows_the_rules();

-- A result may become definite, never the other way.
create function attempt_moves_forward() returns trigger language plpgsql as $$
begin
    if old.state = 'settled' and new.state <> 'settled' or old.state = 'unknown' and new.state = 'open' then
        raise exception 'attempt % cannot go from % to %', old.id, old.state, new.state;
    end if;
    return new;
end $$;
create trigger attempt_forward before update of state on attempt
    for each row execute function attempt_moves_forward();
