-- Who may do what: roles with their extent, what was refused to whom, whose a token is, and four eyes switched off by two.
-- Refusals are check violations that carry their rule as constraint name (see 0005).

-- A role somebody has, or had. What a role may is reference data (config/authority.toml). The first row of a tenant switches
-- enforcement on.
create table role_grant (
    id             uuid primary key,
    tenant_id      text not null check (tenant_id <> ''),
    principal      text not null check (principal <> ''),
    -- being in a group is said by group_member
    role           text not null check (role <> '' and role not in ('group_member', 'group_lead')),
    -- cases of the whole tenant, or of one group, customer or order
    extent         text not null check (extent in ('tenant', 'group', 'customer', 'order')),
    which          text not null default '',
    reason         text not null check (reason <> ''),
    granted_by     text not null check (granted_by <> ''),
    granted_at     timestamptz not null default clock_timestamp(),
    revoked_by     text check (revoked_by <> ''),
    revoked_at     timestamptz,
    revoke_reason  text check (revoke_reason <> ''),
    constraint role_is_for_something check ((extent = 'tenant') = (which = '')),
    constraint role_revoked_says_by_whom_and_why check (num_nulls(revoked_by, revoked_at, revoke_reason) in (0, 3))
);
create unique index role_grant_once on role_grant (tenant_id, principal, role, extent, which) where revoked_at is null;
create index role_grant_of_role on role_grant (tenant_id, role) where revoked_at is null;
create index role_grant_in_order on role_grant (tenant_id, granted_at);

create function role_is_granted_and_revoked_once() returns trigger language plpgsql as $$
begin
    if tg_op <> 'UPDATE' or old.revoked_at is not null
       or (new.id, new.tenant_id, new.principal, new.role, new.extent, new.which, new.reason, new.granted_by, new.granted_at)
          is distinct from (old.id, old.tenant_id, old.principal, old.role, old.extent, old.which, old.reason, old.granted_by, old.granted_at) then
        perform ledger_refuse('role_is_granted_and_revoked_once', format('role %s of %s: a grant stays as it was, and is revoked once', old.role, old.principal));
    end if;
    return new;
end $$;
create trigger role_is_granted_and_revoked_once before update or delete on role_grant
    for each row execute function role_is_granted_and_revoked_once();
create trigger role_grant_is_not_truncated before truncate on role_grant
    for each statement execute function refuse_change();

-- What somebody asked for without the right to it. Commands of recovery have theirs in recovery_request.
create table access_refusal (
    id         uuid primary key,
    tenant_id  text not null check (tenant_id <> ''),
    principal  text not null check (principal <> ''),
    authority  text not null check (authority <> ''),
    -- what it was about
    subject    text not null,
    message    text not null check (message <> ''),
    refused_at timestamptz not null default clock_timestamp()
);
create index access_refusal_in_order on access_refusal (tenant_id, refused_at);
create trigger access_refusal_is_append_only before update or delete on access_refusal
    for each row execute function refuse_change();
create trigger access_refusal_is_not_truncated before truncate on access_refusal
    for each statement execute function refuse_change();

-- Whose it is, so that two tokens of one person are no two people; without it, of who is called as the token is.
alter table access_token add column person text check (person <> '');

alter table approval
    -- why a second person is asked for: the rule, and the version of the reference data
    add column why              text not null default '',
    add column requester_person text,
    add column approver_person  text,
    add constraint approval_is_by_another_person check (state <> 'granted' or approver_person <> requester_person);

create or replace function approval_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.action_id, new.fallout_case_id, new.command_hash, new.case_version, new.requester,
        new.requested_at, new.expires_at, new.why, new.requester_person)
       is distinct from (old.id, old.tenant_id, old.action_id, old.fallout_case_id, old.command_hash, old.case_version,
        old.requester, old.requested_at, old.expires_at, old.why, old.requester_person) then
        perform ledger_refuse('approval_is_what_was_asked', format('approval %s: what was to be approved, and until when, cannot change', old.id));
    end if;
    if old.state <> 'requested' then
        perform ledger_refuse('approval_is_decided_once', format('approval %s is %s', old.id, old.state));
    end if;
    return new;
end $$;

alter table recovery_request
    drop constraint recovery_request_kind_check,
    add constraint recovery_request_kind_check check (kind in ('recover', 'withdraw', 'approve', 'refuse_approval', 'four_eyes'));

-- One person is enough for an action for a while: asked for by one, agreed to by another, ended by anybody who may.
create table four_eyes_switch (
    id               uuid primary key,
    tenant_id        text not null check (tenant_id <> ''),
    action           text not null check (action <> '' and action <> 'FORCE_CLOSE'),
    -- of tenant, action, hours, reason, requester and version of the rules
    command_hash     text not null check (command_hash <> ''),
    rules_version    int not null,
    hours            int not null check (hours between 1 and 720),
    reason           text not null check (reason <> ''),
    requester        text not null check (requester <> ''),
    requester_person text not null check (requester_person <> ''),
    requested_at     timestamptz not null default now(),
    expires_at       timestamptz not null,
    state            text not null default 'requested' check (state in ('requested', 'granted', 'refused', 'void')),
    approver         text check (approver <> ''),
    approver_person  text check (approver_person <> ''),
    decision         text check (decision <> ''),
    decided_at       timestamptz,
    -- two people are asked for again from here on
    off_until        timestamptz,
    constraint switch_expires check (expires_at > requested_at),
    constraint switch_decided_has_its_time check ((state = 'requested') = (decided_at is null)),
    constraint switch_is_by_another_person check (state <> 'granted'
        or num_nulls(approver, approver_person, off_until) = 0 and approver <> requester and approver_person <> requester_person
           and decided_at <= expires_at)
);
create index four_eyes_switch_of_action on four_eyes_switch (tenant_id, action, off_until) where state = 'granted';
create index four_eyes_switch_in_order on four_eyes_switch (tenant_id, requested_at);

create function switch_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if tg_op <> 'UPDATE' or old.state not in ('requested', 'granted') or old.state = 'granted' and new.state <> 'granted'
       or (new.id, new.tenant_id, new.action, new.command_hash, new.rules_version, new.hours, new.reason, new.requester,
           new.requester_person, new.requested_at, new.expires_at)
          is distinct from (old.id, old.tenant_id, old.action, old.command_hash, old.rules_version, old.hours, old.reason,
           old.requester, old.requester_person, old.requested_at, old.expires_at)
       -- what is off ends earlier at most
       or old.state = 'granted' and new.off_until > old.off_until then
        perform ledger_refuse('switch_is_what_was_asked', format('switch %s is %s: what was agreed to cannot change', old.id, old.state));
    end if;
    return new;
end $$;
create trigger switch_is_what_was_asked before update or delete on four_eyes_switch
    for each row execute function switch_is_what_was_asked();

-- The timeline of problems is sealed into the chain with that of cases: both take their places from one sequence.
alter table fallout_problem_event
    add column tx       xid8 not null default pg_current_xact_id(),
    add column position bigint not null default nextval('fallout_event_position_seq');
create index fallout_problem_event_in_order on fallout_problem_event (tenant_id, tx, position);
create trigger fallout_problem_event_is_not_truncated before truncate on fallout_problem_event
    for each statement execute function refuse_change();
