-- Effects that a recovery action makes itself, and corrections of orders. Refusals are check violations that carry their rule
-- as constraint name (see 0005).

alter table fallout_recovery_action
    drop constraint action_state_is_known,
    add constraint action_state_is_known check (status in ('checking', 'awaiting_approval', 'performing', 'requested', 'started',
        'completed', 'failed', 'withdrawn', 'not_approved'));
drop index action_one_under_way;
create unique index action_one_under_way on fallout_recovery_action (fallout_case_id)
    where status in ('checking', 'awaiting_approval', 'performing', 'requested');

-- The effect of an action. Its step (`action:<id>`) begins with its first claim and goes through the ledger like any other;
-- a controller performs it, since no task stands for it.
create table action_effect (
    action_id    uuid primary key references fallout_recovery_action (id),
    tenant_id    text not null check (tenant_id <> ''),
    order_run_id uuid not null references order_run (id),
    -- derived from the action; no reference, since the step is archived with its run
    step_id      uuid not null unique,
    operation    text not null check (operation <> ''),
    -- when a controller goes on with it; null while a person has to find out first
    next_at      timestamptz default clock_timestamp(),
    ended_at     timestamptz,
    constraint action_effect_ended_rests check (ended_at is null or next_at is null)
);
create index action_effect_due on action_effect (next_at) where next_at is not null;

-- The listeners of engine commands are woken: the controller is one of them.
create function notify_effects() returns trigger language plpgsql as $$
begin
    perform pg_notify('fallout_command', '');
    return null;
end $$;
create trigger action_effect_wakes after insert or update of next_at on action_effect
    for each row when (new.next_at <= clock_timestamp()) execute function notify_effects();

-- Corrections -------------------------------------------------------------------------------------------------------

alter table order_context
    -- as the owner counts; what is written to the owner names it, so that nobody writes over what they have not seen
    add column owner_version bigint not null default 1 check (owner_version > 0),
    -- JSON pointers into the order as it was taken in, and what stands there now; what is personal of it lies in order_personal
    add column corrected     jsonb not null default '{}' check (jsonb_typeof(corrected) = 'object'),
    -- what the customer is told instead of the policy's reason
    add column delay_reason  text;

-- One field of one order, amended by one action: who, when, what, from what to what, why, by which right, for which case.
create table order_correction (
    action_id       uuid primary key references fallout_recovery_action (id),
    tenant_id       text not null check (tenant_id <> ''),
    order_id        uuid not null references product_order (id),
    fallout_case_id uuid not null references fallout_case (id),
    business_key    text not null,
    field           text not null,
    -- '' for a field of the whole order
    line_id         text not null default '',
    -- into the order as it was taken in; null: it stands elsewhere
    pointer         text,
    -- of a personal value neither: they are in order_personal under this action's id, and here is a hash of each with a salt
    -- that lies beside them, so that nothing can be guessed once they are erased
    old_value       jsonb,
    new_value       jsonb,
    old_hash        text,
    new_hash        text,
    source          text,
    reason          text not null check (reason <> ''),
    corrected_by    text not null check (corrected_by <> ''),
    authority       text not null check (authority <> ''),
    asked_at        timestamptz not null default clock_timestamp(),
    -- counts the corrections of an order that hold
    version         int check (version > 0),
    -- the owner's version of the order that has it; null: it was not for the owner
    owner_version   bigint,
    applied_at      timestamptz,
    -- what went from where to where
    transition      jsonb,
    unique (order_id, version),
    constraint correction_is_plain_or_personal check (
        (new_hash is null) = (new_value is not null) and (new_hash is null) = (old_hash is null)),
    constraint correction_applied_is_whole check ((applied_at is null) = (version is null) and (applied_at is null) = (transition is null))
);
create index order_correction_of_order on order_correction (order_id, asked_at);
create index order_correction_of_case on order_correction (fallout_case_id);

create function correction_is_what_was_asked() returns trigger language plpgsql as $$
begin
    if to_jsonb(new) - array['version', 'owner_version', 'applied_at', 'transition']
       is distinct from to_jsonb(old) - array['version', 'owner_version', 'applied_at', 'transition'] then
        perform ledger_refuse('correction_is_what_was_asked', format('correction %s: what was asked cannot change', old.action_id));
    end if;
    if old.applied_at is not null then
        perform ledger_refuse('correction_is_applied_once', format('correction %s is version %s of its order', old.action_id, old.version));
    end if;
    return new;
end $$;
create trigger correction_is_what_was_asked before update on order_correction
    for each row execute function correction_is_what_was_asked();
create trigger order_correction_is_kept before delete on order_correction
    for each row execute function refuse_change();
create trigger order_correction_is_not_truncated before truncate on order_correction
    for each statement execute function refuse_change();

-- Two more parts of what is personal: what stands in corrected places now (`corrected`), and what every correction was from
-- and to (`corrections`). Partitions were made with their own copy of the check, which stays when the parent's goes.
do $$
declare
    part regclass;
begin
    alter table order_personal drop constraint if exists order_personal_part_check;
    for part in select inhrelid::regclass from pg_inherits where inhparent = 'order_personal'::regclass loop
        execute format('alter table %s drop constraint if exists order_personal_part_check', part);
    end loop;
    alter table order_personal add constraint order_personal_part_check
        check (part in ('taken_in', 'newest', 'corrected', 'corrections'));
end $$;
