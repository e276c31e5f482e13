-- Recoveries of many cases at once: what was asked, at which pace, and what became of each case.

create sequence bulk_number start 1001;

create table bulk (
    id               uuid primary key,
    tenant_id        text not null check (tenant_id <> ''),
    bulk_number      text not null,
    action_type      text not null,
    reason           text not null check (reason <> ''),
    requested_by     text not null check (requested_by <> ''),
    idempotency_key  text not null check (idempotency_key <> ''),
    -- of everything that was asked but the key, with every case
    content_hash     text not null check (content_hash <> ''),
    -- how the cases were found, for people
    selection        jsonb not null,
    per_second       int not null check (per_second >= 0),
    at_once          int not null check (at_once > 0),
    stop_at_percent  int not null check (stop_at_percent between 1 and 100),
    state            text not null check (state in ('awaiting_approval', 'running', 'paused', 'halted', 'stopped', 'done', 'not_approved')),
    -- who agreed or did not, and until when somebody may
    approver         text check (approver <> ''),
    approval_until   timestamptz,
    -- what may be begun at once, as of a moment
    tokens           double precision not null default 0,
    tokens_at        timestamptz not null default now(),
    -- failures are counted from here
    counted_from     timestamptz not null default clock_timestamp(),
    created_at       timestamptz not null default clock_timestamp(),
    ended_at         timestamptz,
    unique (tenant_id, bulk_number),
    unique (tenant_id, idempotency_key),
    constraint bulk_over_has_its_time check ((state in ('stopped', 'done', 'not_approved')) = (ended_at is not null)),
    -- One person can take a request back, but never grant it to themselves.
    constraint bulk_approved_by_another check (approver is null or approver <> requested_by or state = 'not_approved'),
    constraint bulk_waits_until check (state <> 'awaiting_approval' or approval_until is not null)
);
create index bulk_at_work on bulk (id) where state in ('awaiting_approval', 'running', 'paused', 'halted', 'stopped');
create index bulk_in_order on bulk (tenant_id, created_at);

create function bulk_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.bulk_number, new.action_type, new.reason, new.requested_by, new.idempotency_key, new.content_hash,
        new.selection, new.per_second, new.at_once, new.stop_at_percent, new.approval_until, new.created_at)
       is distinct from (old.id, old.tenant_id, old.bulk_number, old.action_type, old.reason, old.requested_by, old.idempotency_key,
        old.content_hash, old.selection, old.per_second, old.at_once, old.stop_at_percent, old.approval_until, old.created_at)
       or old.approver is not null and new.approver is distinct from old.approver then
        perform ledger_refuse('bulk_is_what_was_asked', format('bulk %s: what was asked cannot change', old.bulk_number));
    end if;
    if old.ended_at is not null and new.state <> old.state then
        perform ledger_refuse('bulk_ends_once', format('bulk %s is %s', old.bulk_number, old.state));
    end if;
    if old.state = 'awaiting_approval' and new.state = 'running' and new.approver is null then
        perform ledger_refuse('bulk_is_agreed_to', format('bulk %s needs a second person', old.bulk_number));
    end if;
    return new;
end $$;
create trigger bulk_is_what_was_asked before update on bulk for each row execute function bulk_is_what_was_asked();

create table bulk_case (
    bulk_id         uuid not null references bulk (id),
    fallout_case_id uuid not null references fallout_case (id),
    tenant_id       text not null check (tenant_id <> ''),
    -- as they were asked for
    position        int not null,
    state           text not null check (state in ('excluded', 'pending', 'taken', 'recovering', 'recovered', 'failed', 'refused')),
    why             text,
    action_id       uuid references fallout_recovery_action (id),
    -- whoever took it is given up then, and another gives the command again: by its key it is given once
    taken_until     timestamptz,
    ended_at        timestamptz,
    primary key (bulk_id, fallout_case_id),
    constraint bulk_case_taken_for_a_time check ((state = 'taken') = (taken_until is not null)),
    constraint bulk_case_recovers_by_an_action check (state not in ('recovering', 'recovered') or action_id is not null),
    constraint bulk_case_over_has_its_time check ((state in ('recovered', 'failed', 'refused')) = (ended_at is not null)),
    constraint bulk_case_says_why check (state not in ('excluded', 'failed', 'refused') or why is not null)
);
create index bulk_case_to_do on bulk_case (bulk_id, position) where state = 'pending';
create index bulk_case_under_way on bulk_case (bulk_id, fallout_case_id) where state in ('taken', 'recovering');
create index bulk_case_ended on bulk_case (bulk_id, ended_at) where state in ('recovered', 'failed');

create function bulk_case_goes_on() returns trigger language plpgsql as $$
begin
    if (new.bulk_id, new.fallout_case_id, new.tenant_id, new.position) is distinct from (old.bulk_id, old.fallout_case_id, old.tenant_id, old.position)
       or old.action_id is not null and new.action_id is distinct from old.action_id
       or old.state in ('excluded', 'recovered', 'failed', 'refused') then
        perform ledger_refuse('bulk_case_goes_on', 'what became of a case of a bulk does not change');
    end if;
    return new;
end $$;
create trigger bulk_case_goes_on before update on bulk_case for each row execute function bulk_case_goes_on();

-- Who did what to a bulk, and what it did by itself.
create table bulk_entry (
    id        bigint generated always as identity primary key,
    bulk_id   uuid not null references bulk (id),
    tenant_id text not null check (tenant_id <> ''),
    what      text not null check (what in ('request', 'approve', 'refuse', 'pause', 'resume', 'stop', 'halt', 'finish')),
    -- null: the program itself
    principal text check (principal <> ''),
    reason    text check (reason <> ''),
    at        timestamptz not null default clock_timestamp()
);
create index bulk_entry_of_bulk on bulk_entry (bulk_id, id);
create trigger bulk_entry_is_append_only before update or delete on bulk_entry
    for each row execute function refuse_change();
create trigger bulk_entry_is_not_truncated before truncate on bulk_entry
    for each statement execute function refuse_change();

create function notify_bulk() returns trigger language plpgsql as $$
begin
    perform pg_notify('fallout_bulk', '');
    return null;
end $$;
create trigger bulk_wakes after insert or update of state on bulk for each statement execute function notify_bulk();
-- What it waits for: an action of one of its cases is over, so there is room for the next.
create trigger action_of_bulk_wakes after update of status on fallout_recovery_action
    for each row when (new.completed_at is not null and old.completed_at is null and new.idempotency_key like 'bulk:%')
    execute function notify_bulk();
