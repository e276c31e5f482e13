-- Process modifications: the last resort. Every request is a row, refused ones too: the answers to the seven questions, who
-- asked, who agreed, what stood before and after.

create table process_modification (
    id                  uuid primary key,
    tenant_id           text not null check (tenant_id <> ''),
    order_run_id        uuid not null references order_run (id),
    process_instance_id text not null check (process_instance_id <> ''),
    -- as it was asked for, and as it was resolved against what stood there
    moves               jsonb not null,
    resolved            jsonb,
    answers             jsonb not null,
    requested_by        text not null check (requested_by <> ''),
    state               text not null default 'checking' check (state in ('checking', 'awaiting_approval', 'requested', 'done',
        'failed', 'refused', 'not_approved')),
    -- of moves, answers and what stood before: what the second person agrees to
    content_hash        text,
    tokens_before       jsonb,
    tokens_after        jsonb,
    approver            text check (approver <> ''),
    approval_reason     text,
    -- why it was refused or failed: the name of the rule, and the message
    refusal             text,
    message             text,
    requested_at        timestamptz not null default now(),
    expires_at          timestamptz,
    decided_at          timestamptz,
    ended_at            timestamptz,
    -- all seven, each in words
    constraint modification_is_answered check (
        coalesce(trim(answers ->> 'notModelled'), '') <> '' and coalesce(trim(answers ->> 'knownState'), '') <> ''
        and coalesce(trim(answers ->> 'domainState'), '') <> '' and coalesce(trim(answers ->> 'reason'), '') <> ''
        and coalesce(trim(answers ->> 'reversible'), '') <> '' and coalesce(trim(answers ->> 'completedSteps'), '') <> ''
        and coalesce(trim(answers ->> 'tested'), '') <> '' or state = 'refused'),
    -- One person can take a request back, but never agree with themselves.
    constraint modification_is_by_two check (state not in ('requested', 'done') or approver <> requested_by),
    constraint modification_decided_has_its_time check ((approver is null) = (decided_at is null)),
    constraint modification_knows_what_stood check (state not in ('awaiting_approval', 'requested', 'done')
        or (tokens_before is not null and resolved is not null and content_hash is not null and expires_at is not null)),
    constraint modification_done_knows_what_came check ((state = 'done') = (tokens_after is not null)),
    constraint modification_says_why check ((state in ('failed', 'refused', 'not_approved')) = (message is not null)),
    constraint modification_over_has_its_time check (
        (state in ('done', 'failed', 'refused', 'not_approved')) = (ended_at is not null))
);
create index process_modification_of_run on process_modification (order_run_id, requested_at);
create index process_modification_due on process_modification (expires_at) where state = 'awaiting_approval';
-- Two at once would each be agreed to for tokens that the other moves.
create unique index process_modification_one_at_a_time on process_modification (process_instance_id)
    where state in ('checking', 'awaiting_approval', 'requested');

create function modification_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.order_run_id, new.process_instance_id, new.moves, new.answers, new.requested_by, new.requested_at)
       is distinct from (old.id, old.tenant_id, old.order_run_id, old.process_instance_id, old.moves, old.answers, old.requested_by,
        old.requested_at)
       or old.tokens_before is not null and (new.tokens_before, new.resolved, new.content_hash)
          is distinct from (old.tokens_before, old.resolved, old.content_hash)
       or old.approver is not null and (new.approver, new.approval_reason, new.decided_at)
          is distinct from (old.approver, old.approval_reason, old.decided_at) then
        perform ledger_refuse('modification_is_what_was_asked', format('modification %s: what was asked, by whom and who agreed cannot change', old.id));
    end if;
    if old.ended_at is not null then
        perform ledger_refuse('modification_ends_once', format('modification %s is %s', old.id, old.state));
    end if;
    return new;
end $$;
create trigger modification_is_what_was_asked before update on process_modification
    for each row execute function modification_is_what_was_asked();
create trigger process_modification_is_kept before delete on process_modification
    for each row execute function refuse_change();
create trigger process_modification_is_not_truncated before truncate on process_modification
    for each statement execute function refuse_change();
