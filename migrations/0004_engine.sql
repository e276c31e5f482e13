-- What we want of the engine, and what we know of its models.

create table engine_command (
    id         uuid primary key,
    tenant_id  text not null,
    kind       text not null,
    payload    jsonb not null,
    action_id  uuid references fallout_recovery_action (id),
    state      text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    -- how often it was taken: anything above 0 means read before you send again
    tries      int not null default 0,
    -- how often the engine answered that nobody waits for it
    misses     int not null default 0,
    not_before timestamptz not null default now(),
    last_error text,
    created_at timestamptz not null default now(),
    ended_at   timestamptz,
    check ((state = 'pending') = (ended_at is null))
);
create index engine_command_pending on engine_command (not_before) where state = 'pending';

create function notify_relay() returns trigger language plpgsql as $$
begin
    perform pg_notify('fallout_command', '');
    return null;
end $$;
create trigger engine_command_wakes_relay after insert on engine_command
    for each statement execute function notify_relay();

-- Parsed once, on the first task of a definition, so that guards read rows and not XML.
create table definition (
    process_definition_id text primary key,
    process_key           text not null,
    -- activity id → "all" | {"codes": [...]}
    catches               jsonb not null,
    -- recovery actions the definition has a branch for
    branches              text[] not null,
    seen_at               timestamptz not null default now()
);
