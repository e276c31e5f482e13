-- Verification: what has to be read before a case is resolved, each read, and how it came to be known.

alter table fallout_case
    -- how it is known that it is resolved: read, said by a named person, or not at all
    add column verification          text check (verification in ('machine', 'attested', 'none')),
    -- where it was read, or who says so
    add column verified_by           text,
    -- how often a proof was asked for and not given
    add column verification_failures int not null default 0,
    add constraint case_verification_names_its_source check ((verification is null) = (verified_by is null));
update fallout_case set verification = case status when 'force_closed' then 'none' else 'machine' end,
    verified_by = 'before this was kept' where status in ('resolved', 'closed', 'force_closed');

-- When its step has to be settled and read.
alter table fallout_recovery_action add column verify_by timestamptz;
create index action_to_verify on fallout_recovery_action (verify_by) where status = 'started' and verify_by is not null;

-- One read that a case waits for.
create table verification (
    id              uuid primary key,
    tenant_id       text not null check (tenant_id <> ''),
    fallout_case_id uuid not null references fallout_case (id),
    action_id       uuid references fallout_recovery_action (id),
    -- what is asked about: the step as it stood, and the attempt whose stored request says how to ask; both may be archived
    step_id         uuid not null,
    epoch           int not null,
    attempt_id      uuid not null,
    -- the case as it was read for: what changes it meanwhile asks for another read
    case_version    int not null,
    expects         text not null check (expects in ('applied', 'absent')),
    state           text not null default 'due' check (state in ('due', 'proven', 'failed', 'void')),
    next_read_at    timestamptz not null,
    -- from here on the lookup shows what there is
    shown_from      timestamptz not null,
    deadline        timestamptz not null,
    reads           jsonb not null default '[]',
    result          text,
    created_at      timestamptz not null default now(),
    ended_at        timestamptz,
    constraint verification_ends_with_a_result check ((state = 'due') = (ended_at is null) and (state = 'due') = (result is null))
);
create unique index verification_one_due on verification (fallout_case_id) where state = 'due';
create index verification_to_read on verification (next_read_at) where state = 'due';
create index verification_of_case on verification (fallout_case_id, created_at);

create function verification_ends_once() returns trigger language plpgsql as $$
begin
    if old.state <> 'due' then
        perform ledger_refuse('verification_ends_once', format('verification %s is %s', old.id, old.state));
    end if;
    return new;
end $$;
create trigger verification_ends_once before update on verification
    for each row execute function verification_ends_once();
