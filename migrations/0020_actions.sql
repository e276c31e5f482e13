-- Recovery commands: every request and what was answered, actions that wait for a check or a second person, and what may
-- be taken back. Refusals are check violations that carry their rule as constraint name (see 0005).

alter table fallout_recovery_action
    drop constraint fallout_recovery_action_status_check,
    drop constraint fallout_recovery_action_check,
    add constraint action_state_is_known check (status in ('checking', 'awaiting_approval', 'requested', 'started', 'completed',
        'failed', 'withdrawn', 'not_approved')),
    add constraint action_over_has_its_time check (
        (status in ('completed', 'failed', 'withdrawn', 'not_approved')) = (completed_at is not null)),
    -- of everything in the command but its key: the same key with other content is another command
    add column content_hash text,
    -- what was answered first, for whoever repeats the command
    add column answer       jsonb,
    -- where the case stood, to go back to when the action is taken back
    add column case_was     text;

-- Of several commands at once one is taken. What has started has left the case to its verification.
create unique index action_one_under_way on fallout_recovery_action (fallout_case_id)
    where status in ('checking', 'awaiting_approval', 'requested');
-- The lookup that an attempt's next read is for.
create index action_checking on fallout_recovery_action (fallout_case_id) where status = 'checking';

create function action_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.fallout_case_id, new.action_type, new.requested_by, new.reason, new.idempotency_key,
        new.target_ref, new.content_hash, new.case_was, new.created_at)
       is distinct from (old.id, old.tenant_id, old.fallout_case_id, old.action_type, old.requested_by, old.reason,
        old.idempotency_key, old.target_ref, old.content_hash, old.case_was, old.created_at)
       or old.answer is not null and new.answer is distinct from old.answer then
        perform ledger_refuse('action_is_what_was_asked', format('action %s: what was asked, by whom and what was answered cannot change', old.id));
    end if;
    if old.completed_at is not null and new.status <> old.status then
        perform ledger_refuse('action_ends_once', format('action %s is %s and cannot become %s', old.id, old.status, new.status));
    end if;
    return new;
end $$;
create trigger action_is_what_was_asked before update on fallout_recovery_action
    for each row execute function action_is_what_was_asked();

-- Taken back, and only what no relay has taken.
alter table engine_command
    drop constraint engine_command_state_check,
    add constraint engine_command_state_is_known check (state in ('pending', 'done', 'failed', 'withdrawn')),
    add constraint engine_command_withdrawn_unsent check (state <> 'withdrawn' or tries = 0);
create index engine_command_of_action on engine_command (action_id) where action_id is not null;

-- Every request about a recovery, refused ones too, as it was given (cut where it is too long).
create table recovery_request (
    id              uuid primary key,
    tenant_id       text not null check (tenant_id <> ''),
    kind            text not null check (kind in ('recover', 'withdraw', 'approve', 'refuse_approval')),
    -- who is authenticated, and in whose name the command was given
    principal       text not null check (principal <> ''),
    requested_by    text not null,
    fallout_case    text not null,
    action          text not null,
    reason          text not null,
    idempotency_key text not null,
    content_hash    text not null,
    answer          text not null check (answer in ('accepted', 'repeated', 'refused')),
    refusal         text,
    message         text,
    action_id       uuid references fallout_recovery_action (id),
    requested_at    timestamptz not null default clock_timestamp(),
    constraint request_refused_says_why check ((answer = 'refused') = (refusal is not null) and (refusal is null) = (message is null)),
    constraint request_taken_names_its_action check (answer = 'refused' or action_id is not null)
);
create index recovery_request_in_order on recovery_request (tenant_id, requested_at);
create index recovery_request_of_case on recovery_request (tenant_id, fallout_case, requested_at);
create trigger recovery_request_is_append_only before update or delete on recovery_request
    for each row execute function refuse_change();
create trigger recovery_request_is_not_truncated before truncate on recovery_request
    for each statement execute function refuse_change();

-- The agreement of a second person: to exactly this command, on the case exactly as it stands, for a time.
create table approval (
    id              uuid primary key,
    tenant_id       text not null check (tenant_id <> ''),
    action_id       uuid not null unique references fallout_recovery_action (id),
    fallout_case_id uuid not null references fallout_case (id),
    command_hash    text not null check (command_hash <> ''),
    case_version    int not null,
    requester       text not null check (requester <> ''),
    approver        text check (approver <> ''),
    state           text not null default 'requested' check (state in ('requested', 'granted', 'refused', 'expired', 'void')),
    reason          text,
    requested_at    timestamptz not null default now(),
    expires_at      timestamptz not null,
    decided_at      timestamptz,
    constraint approval_expires check (expires_at > requested_at),
    constraint approval_decided_has_its_time check ((state = 'requested') = (decided_at is null)),
    constraint approval_names_who_decided check ((state in ('granted', 'refused')) = (approver is not null)),
    -- One person can take a request back, but never grant it to themselves.
    constraint approval_is_by_another check (state <> 'granted' or approver <> requester),
    constraint approval_in_time check (state <> 'granted' or decided_at <= expires_at)
);
create index approval_due on approval (expires_at) where state = 'requested';
create index approval_of_case on approval (fallout_case_id);

create function approval_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.action_id, new.fallout_case_id, new.command_hash, new.case_version, new.requester,
        new.requested_at, new.expires_at)
       is distinct from (old.id, old.tenant_id, old.action_id, old.fallout_case_id, old.command_hash, old.case_version,
        old.requester, old.requested_at, old.expires_at) then
        perform ledger_refuse('approval_is_what_was_asked', format('approval %s: what was to be approved, and until when, cannot change', old.id));
    end if;
    if old.state <> 'requested' then
        perform ledger_refuse('approval_is_decided_once', format('approval %s is %s', old.id, old.state));
    end if;
    return new;
end $$;
create trigger approval_is_what_was_asked before update on approval
    for each row execute function approval_is_what_was_asked();

-- A person's token: what they do with it, they do in their own name, which a login of a machine does not prove.
alter table access_token
    drop constraint access_token_scopes_check,
    add constraint access_token_scopes_are_known check (cardinality(scopes) > 0
        and scopes <@ array['orders.write', 'signals.write', 'callbacks.write', 'read', 'cases.act']);
