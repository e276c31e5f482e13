-- The life of a case and its people: what a case must know in each state, what moves it, and what nobody may do to it,
-- whoever writes. Refusals are check violations that carry their rule as constraint name (see 0005).

alter table fallout_case
    -- the order's instance; process_instance_id is the called one that the step ran in
    add column root_process_instance_id text,
    -- of the signal that opened it
    add column source_event_id          text,
    -- the line it is about and those that rely on it
    add column affected_line_ids        text[] not null default '{}',
    -- what ended it; the fixing action is an action's id, or what cleared it
    add column resolution_code          text,
    add column fixing_action            text,
    -- what was learnt, when it was closed
    add column root_cause               text,
    add column preventive_follow_up     text,
    add column waiting_for              text,
    add column wait_reason              text,
    -- when it returns by itself
    add column wait_until               timestamptz,
    add column unresolved_reason        text,
    add column review_at                timestamptz,
    add column duplicate_of             uuid references fallout_case (id),
    add column force_close_reason       text,
    add column force_close_authority    text,
    add column force_close_impact       text,
    add column force_closed_by          text,
    add column force_close_approved_by  text;

-- Resolved before this was kept.
update fallout_case set resolution_code = 'NOT_RECORDED' where status in ('resolved', 'closed');

alter table fallout_case
    add constraint case_wait_is_whole check (
        (status = 'waiting') = (waiting_for is not null) and (waiting_for is null) = (wait_reason is null)
        and waiting_for in ('customer', 'downstream', 'until') and wait_reason <> ''
        and (waiting_for <> 'until' or wait_until is not null) and (wait_until is null or waiting_for is not null)),
    add constraint case_unresolved_has_owner_reason_and_review check (
        (status = 'unresolved') = (unresolved_reason is not null) and (status = 'unresolved') = (review_at is not null)
        and unresolved_reason <> '' and (status <> 'unresolved' or assigned_group is not null)),
    add constraint case_duplicate_is_linked check ((status = 'duplicate') = (duplicate_of is not null) and duplicate_of <> id),
    add constraint case_resolved_says_how check (status not in ('resolved', 'closed') or resolution_code is not null and resolution_code <> ''),
    add constraint case_closed_says_why check (status <> 'closed' or closed_at is not null and root_cause is not null and root_cause <> ''),
    -- Exceptional: never by one person alone, and never without what it means for the customer.
    add constraint case_force_close_is_answered_for check (status <> 'force_closed' or closed_at is not null
        and num_nulls(force_close_reason, force_close_authority, force_close_impact, force_closed_by, force_close_approved_by) = 0
        and '' not in (force_close_reason, force_close_authority, force_close_impact, force_closed_by, force_close_approved_by)
        and force_closed_by <> force_close_approved_by);

-- What `waits` looks for.
create index fallout_case_wait_ends on fallout_case (wait_until) where status = 'waiting' and wait_until is not null;
create index fallout_case_review_due on fallout_case (review_at) where status = 'unresolved';
create index fallout_case_duplicates on fallout_case (duplicate_of) where duplicate_of is not null;

-- Who belongs to which group. A group without members is open to everybody of the tenant.
create table group_member (
    tenant_id  text not null check (tenant_id <> ''),
    group_name text not null check (group_name <> ''),
    principal  text not null check (principal <> ''),
    role       text not null check (role in ('member', 'lead')),
    added_by   text not null check (added_by <> ''),
    added_at   timestamptz not null default now(),
    primary key (tenant_id, group_name, principal)
);
create index group_member_of_principal on group_member (tenant_id, principal);

-- Lifecycle ------------------------------------------------------------------------------------------------------------

-- As fallout_core::case::next; a test compares them.
create function case_may_become(was text, becomes text) returns boolean language sql immutable as $$
    select case was
        when 'detected'          then becomes in ('classified')
        when 'classified'        then becomes in ('assigned', 'in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'assigned'          then becomes in ('in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'in_progress'       then becomes in ('assigned', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'reopened'          then becomes in ('assigned', 'in_progress', 'waiting', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'waiting'           then becomes in ('assigned', 'unresolved', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'unresolved'        then becomes in ('assigned', 'waiting', 'awaiting_approval', 'recovering', 'verifying', 'force_closed', 'duplicate')
        when 'awaiting_approval' then becomes in ('in_progress', 'force_closed')
        when 'recovering'        then becomes in ('classified', 'verifying')
        when 'verifying'         then becomes in ('classified', 'resolved', 'reopened', 'force_closed')
        when 'resolved'          then becomes in ('verifying', 'closed', 'reopened')
        when 'closed'            then becomes in ('verifying', 'reopened')
        when 'force_closed'      then becomes in ('reopened')
        when 'duplicate'         then becomes in ('reopened')
        else false end
$$;

create function case_begins_open() returns trigger language plpgsql as $$
begin
    perform ledger_refuse('case_begins_open', format('case %s begins as detected or classified, not as %s', new.case_number, new.status));
    return null;
end $$;
create trigger case_begins_open before insert on fallout_case
    for each row when (new.status not in ('detected', 'classified')) execute function case_begins_open();

create function case_moves() returns trigger language plpgsql as $$
begin
    if not case_may_become(old.status, new.status) then
        perform ledger_refuse('case_moves', format('case %s is %s and cannot become %s', new.case_number, old.status, new.status));
    end if;
    return new;
end $$;
create trigger case_moves before update of status on fallout_case
    for each row when (old.status <> new.status) execute function case_moves();

-- A change leaves its trail in the same transaction; asked at its end, so in either order.
create function case_change_is_told() returns trigger language plpgsql as $$
begin
    if not exists (select from fallout_event where fallout_case_id = new.id and tx = pg_current_xact_id()) then
        perform ledger_refuse('case_change_is_told',
            format('state, owner or classification of case %s changed without an entry in its timeline', new.case_number));
    end if;
    return null;
end $$;
create constraint trigger case_change_is_told after update on fallout_case deferrable initially deferred
    for each row when ((old.status, old.classification_code, old.assigned_group, old.assigned_user)
        is distinct from (new.status, new.classification_code, new.assigned_group, new.assigned_user))
    execute function case_change_is_told();

-- Linked, not deleted.
create function case_is_kept() returns trigger language plpgsql as $$
begin
    perform ledger_refuse('case_is_kept', 'a case is never deleted; a duplicate is linked to its original');
    return null;
end $$;
create trigger case_is_kept before delete on fallout_case for each row execute function case_is_kept();
create trigger case_is_not_truncated before truncate on fallout_case for each statement execute function refuse_change();

-- Follows the originals, and holds each, so that two links cannot close a circle behind each other's back.
create function case_duplicate_has_an_original() returns trigger language plpgsql as $$
declare
    at    uuid := new.duplicate_of;
    named record;
begin
    while at is not null loop
        select id, tenant_id, duplicate_of into named from fallout_case where id = at for no key update;
        if not found or named.tenant_id <> new.tenant_id then
            perform ledger_refuse('case_duplicate_of_its_tenant', format('case %s is linked to one that is not of its tenant', new.case_number));
        end if;
        if named.id = new.id then
            perform ledger_refuse('case_duplicate_ends_somewhere', format('case %s would be a duplicate of itself in the end', new.case_number));
        end if;
        at := named.duplicate_of;
    end loop;
    return new;
end $$;
create trigger case_duplicate_has_an_original before update of duplicate_of on fallout_case
    for each row when (new.duplicate_of is not null and new.duplicate_of is distinct from old.duplicate_of)
    execute function case_duplicate_has_an_original();

-- Actions --------------------------------------------------------------------------------------------------------------

alter table fallout_recovery_action
    add constraint action_is_by_somebody check (requested_by <> ''),
    add constraint action_has_a_key check (idempotency_key <> '');

create function action_of_classified_case() returns trigger language plpgsql as $$
declare
    c fallout_case;
begin
    select * into c from fallout_case where id = new.fallout_case_id;
    if c.tenant_id <> new.tenant_id then
        perform ledger_refuse('action_of_its_tenant', format('case %s belongs to another tenant', c.case_number));
    end if;
    if c.status = 'detected' or c.classification_code is null then
        perform ledger_refuse('action_of_classified_case', format('case %s is not classified yet; nothing can be recovered', c.case_number));
    end if;
    return new;
end $$;
create trigger action_of_classified_case before insert on fallout_recovery_action
    for each row execute function action_of_classified_case();

-- Who was let into a group or out of it: membership is authority, so its changes are kept as well.
create table group_change (
    id         bigint generated always as identity primary key,
    tenant_id  text not null,
    group_name text not null,
    principal  text not null,
    -- null: taken out
    role       text check (role in ('member', 'lead')),
    changed_by text not null check (changed_by <> ''),
    changed_at timestamptz not null default now()
);
create index group_change_of_group on group_change (tenant_id, group_name, id);
create trigger group_change_is_append_only before update or delete on group_change
    for each row execute function refuse_change();
create trigger group_change_is_not_truncated before truncate on group_change
    for each statement execute function refuse_change();

-- Readers -----------------------------------------------------------------------------------------------------------------

-- The columns of 0015, then what this migration adds.
create or replace view fallout_v1.cases with (security_barrier) as
select c.case_number, c.case_type as category, c.classification_code as classification, c.severity, c.status,
       c.status not in ('resolved', 'closed', 'force_closed', 'duplicate') as open,
       o.external_id as order_id, c.customer_id, c.business_key, c.process_instance_id,
       c.external_system as downstream, c.external_reference, c.diagnostic_summary as summary,
       c.recommended_action, c.assigned_group, c.assigned_user, c.sla_due_at,
       c.created_at, c.updated_at, c.resolved_at, c.closed_at,
       c.root_process_instance_id, c.affected_line_ids, c.waiting_for, c.wait_until, c.review_at,
       c.resolution_code, c.fixing_action, c.root_cause, c.preventive_follow_up,
       (select original.case_number from fallout_case original where original.id = c.duplicate_of) as duplicate_of
from fallout_case c left join product_order o on o.id = c.related_order_id
where c.tenant_id = (select fallout_v1.tenant());
