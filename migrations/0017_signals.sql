-- What became of each signal, by which keys signals find a case, and problems: one cause behind many cases.

alter table fallout_external_signal
    add column state           text not null default 'received' check (state in
                               ('received', 'opened', 'joined', 'history', 'verified_again', 'reopened', 'refused')),
    -- what the source calls it
    add column code            text,
    add column reason          text,
    -- of a signal without a step
    add column match_key       text,
    -- as the source says; decides nothing
    add column occurred_at     timestamptz,
    -- what brought it about: this decides what comes before a resolution and what after it
    add column cause_attempt   uuid,
    add column cause_epoch     int,
    add column cause_task      text,
    add column cause_incident  text,
    add column refusal         text;
update fallout_external_signal set state = case when processed_at is null then 'received'
                                                when fallout_case_id is null then 'history' else 'joined' end;
alter table fallout_external_signal
    add constraint signal_is_refused_with_a_name check ((state = 'refused') = (refusal is not null)),
    add constraint signal_waits_until_processed check ((state = 'received') = (processed_at is null)),
    add constraint signal_joins_a_case check (fallout_case_id is not null or state in ('received', 'history', 'refused'));
create index fallout_external_signal_of_case on fallout_external_signal (fallout_case_id, id) where fallout_case_id is not null;
create index fallout_external_signal_of_tenant on fallout_external_signal (tenant_id, id);
create index fallout_external_signal_of_incident on fallout_external_signal (fallout_case_id, cause_incident)
    where cause_incident is not null;

-- Every signal is kept as it came; what became of it is decided once. Its step may go to the archive.
create function signal_is_kept() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or new.step_id is distinct from old.step_id and new.step_id is not null
       or (new.id, new.tenant_id, new.source_system, new.source_event_id, new.payload, new.reason)
          is distinct from (old.id, old.tenant_id, old.source_system, old.source_event_id, old.payload, old.reason)
       or old.state <> 'received' and (new.state, new.fallout_case_id, new.refusal)
          is distinct from (old.state, old.fallout_case_id, old.refusal) then
        perform ledger_refuse('signal_is_kept', format('signal %s is %s; a signal is kept as it came', old.id, old.state));
    end if;
    return coalesce(new, old);
end $$;
create trigger signal_is_kept before update or delete on fallout_external_signal
    for each row execute function signal_is_kept();

-- Every key a case has had, also before it was classified anew or linked as a duplicate: signals without a step find it.
create table case_alias (
    tenant_id       text not null,
    match_key       text not null,
    fallout_case_id uuid not null references fallout_case (id),
    added_at        timestamptz not null default now(),
    primary key (tenant_id, match_key, fallout_case_id)
);
insert into case_alias (tenant_id, match_key, fallout_case_id) select tenant_id, match_key, id from fallout_case;
create index case_alias_of_case on case_alias (fallout_case_id);
create trigger case_alias_is_append_only before update or delete on case_alias
    for each row execute function refuse_change();

create sequence fallout_problem_number start 1001;

create table fallout_problem (
    id                  uuid primary key,
    tenant_id           text not null,
    problem_number      text not null,
    -- the one cause
    downstream          text not null,
    operation           text not null,
    classification_code text not null,
    category            text not null,
    state               text not null default 'open' check (state in ('open', 'closed')),
    severity            text not null check (severity in ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    -- ever joined, and orders of those
    cases               int not null default 0 check (cases >= 0),
    orders              int not null default 0 check (orders >= 0),
    assigned_group      text not null check (assigned_group <> ''),
    assigned_user       text,
    opened_at           timestamptz not null default now(),
    joined_at           timestamptz not null default now(),
    -- cases opened until then join; each one extends it
    takes_until         timestamptz not null,
    taking              boolean not null default true,
    closed_at           timestamptz,
    version             int not null default 1,
    unique (tenant_id, problem_number),
    constraint problem_is_closed_at_a_time check ((state = 'closed') = (closed_at is not null)),
    constraint problem_takes_cases_while_open check (state = 'open' or not taking)
);
-- A storm is one problem.
create unique index fallout_problem_one_takes on fallout_problem (tenant_id, downstream, operation, classification_code) where taking;
create index fallout_problem_open on fallout_problem (tenant_id, opened_at) where state = 'open';

create table fallout_problem_event (
    id         uuid primary key,
    tenant_id  text not null,
    problem_id uuid not null references fallout_problem (id),
    event_type text not null,
    actor_type text not null check (actor_type in ('system', 'user')),
    actor_id   text not null check (actor_id <> ''),
    reason     text,
    payload    jsonb,
    created_at timestamptz not null default clock_timestamp()
);
create index fallout_problem_event_of_problem on fallout_problem_event (problem_id, created_at);
create trigger fallout_problem_event_is_append_only before update or delete on fallout_problem_event
    for each row execute function refuse_change();

alter table fallout_case
    -- of the step, or '': with downstream and classification the cause that makes cases a problem
    add column operation        text not null default '',
    add column problem_id       uuid references fallout_problem (id),
    -- where the history of its step stood when it was resolved
    add column resolved_epoch   int,
    add column resolved_attempt int;
create index fallout_case_of_problem on fallout_case (problem_id, status) where problem_id is not null;
create index fallout_case_without_problem on fallout_case (tenant_id, external_system, operation, classification_code, created_at)
    where problem_id is null and status not in ('resolved', 'closed', 'force_closed', 'duplicate');

-- Copied by whoever resolves it: a signal whose cause is older changes nothing afterwards.
create function case_remembers_where_it_was_resolved() returns trigger language plpgsql as $$
begin
    select s.epoch, coalesce((select max(number) from attempt a where a.step_id = s.id), 0)
        into new.resolved_epoch, new.resolved_attempt from step s where s.id = new.step_id;
    return new;
end $$;
create trigger case_remembers_where_it_was_resolved before update of status on fallout_case
    for each row when (new.status = 'resolved' and old.status <> 'resolved' and new.step_id is not null)
    execute function case_remembers_where_it_was_resolved();
