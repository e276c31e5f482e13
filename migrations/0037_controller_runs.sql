-- How the controllers get on, for people. Nothing decides by it.

create table controller_run (
    controller    text primary key check (controller <> ''),
    -- whose run was written last: process id and machine
    process       text not null,
    ran_at        timestamptz not null,
    outcome       text not null check (outcome in ('idle', 'worked', 'away', 'failed')),
    -- what was in the way
    detail        text,
    -- things done by the run that did something last, and by all of them
    changed       bigint not null default 0 check (changed >= 0),
    changed_at    timestamptz,
    changed_total bigint not null default 0 check (changed_total >= 0),
    next_at       timestamptz not null,
    constraint run_changed_at_a_time check ((changed_total > 0) = (changed_at is not null))
);
