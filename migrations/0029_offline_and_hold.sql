-- Standing still on purpose: downstreams that are declared offline, and orders or lines that are held.

-- A downstream, or one operation of it, is offline from one moment to another. It is one system for every tenant, so this
-- belongs to none. Until it is released nothing is sent; between its end and its release only lookups are.
create table downstream_window (
    id           uuid primary key,
    downstream   text not null check (downstream <> ''),
    -- null: all of them
    operation    text check (operation <> ''),
    starts_at    timestamptz not null,
    ends_at      timestamptz not null,
    reason       text not null check (reason <> ''),
    declared_by  text not null check (declared_by <> ''),
    -- whose operator said so; told of it like everybody who has orders under way
    declared_for text not null check (declared_for <> ''),
    declared_at  timestamptz not null default clock_timestamp(),
    -- its controller has told of the beginning, and of the end
    began_at     timestamptz,
    ended_at     timestamptz,
    released_at  timestamptz,
    constraint downstream_window_has_a_length check (starts_at <= ends_at),
    constraint downstream_window_ends_before_its_release check (released_at is null or ends_at <= released_at)
);
create index downstream_window_unreleased on downstream_window (starts_at) where released_at is null;
create index downstream_window_in_order on downstream_window (declared_at);
create function notify_downstream() returns trigger language plpgsql as $$
begin
    perform pg_notify('fallout_downstream', '');
    return null;
end $$;
create trigger downstream_window_wakes after insert or update on downstream_window
    for each statement execute function notify_downstream();

create function downstream_window_is_what_was_said() returns trigger language plpgsql as $$
begin
    if (new.id, new.downstream, new.operation, new.starts_at, new.declared_by, new.declared_for, new.declared_at)
       is distinct from (old.id, old.downstream, old.operation, old.starts_at, old.declared_by, old.declared_for, old.declared_at)
       or old.released_at is not null then
        perform ledger_refuse('downstream_window_is_what_was_said', format('the time that %s is offline can only be ended, or end at another moment', old.downstream));
    end if;
    return new;
end $$;
create trigger downstream_window_is_what_was_said before update on downstream_window
    for each row execute function downstream_window_is_what_was_said();

-- Who said what, and what came of it.
create table downstream_entry (
    id        bigint generated always as identity primary key,
    window_id uuid not null references downstream_window (id),
    what      text not null check (what in ('declared', 'moved', 'ended_early', 'began', 'ended', 'released')),
    -- null: the program itself
    principal text check (principal <> ''),
    reason    text check (reason <> ''),
    at        timestamptz not null default clock_timestamp(),
    constraint downstream_entry_of_a_person_says_why check (
        (what in ('declared', 'moved', 'ended_early')) = (principal is not null) and (principal is null) = (reason is null))
);
create index downstream_entry_of_window on downstream_entry (window_id, id);
create trigger downstream_entry_is_append_only before update or delete on downstream_entry
    for each row execute function refuse_change();
create trigger downstream_entry_is_not_truncated before truncate on downstream_entry
    for each statement execute function refuse_change();

-- Cases that were put to waiting for it: once each, so that a person who goes on with one is not overruled.
create table downstream_window_case (
    window_id       uuid not null references downstream_window (id),
    fallout_case_id uuid not null references fallout_case (id),
    tenant_id       text not null check (tenant_id <> ''),
    -- null while it still waits for the release
    returned_at     timestamptz,
    primary key (window_id, fallout_case_id)
);
create index downstream_window_case_waits on downstream_window_case (window_id, fallout_case_id) where returned_at is null;
-- The open cases of a downstream, in the order of their ids.
create index fallout_case_at_downstream on fallout_case (external_system, id)
    where status in ('classified', 'assigned', 'in_progress', 'reopened');

-- Holds ----------------------------------------------------------------------------------------------------------------

-- Nothing is sent for an order run, or for one line of it, until it is released. TMF622 `held`.
create table order_hold (
    id             uuid primary key,
    tenant_id      text not null check (tenant_id <> ''),
    order_run_id   uuid not null references order_run (id),
    -- '': the whole order
    line_id        text not null default '',
    reason         text not null check (reason <> ''),
    held_by        text not null check (held_by <> ''),
    held_at        timestamptz not null default clock_timestamp(),
    released_at    timestamptz,
    released_by    text check (released_by <> ''),
    release_reason text check (release_reason <> ''),
    constraint order_hold_release_is_whole check (num_nulls(released_at, released_by, release_reason) in (0, 3))
);
create unique index order_hold_once on order_hold (order_run_id, line_id) where released_at is null;
create index order_hold_of_run on order_hold (order_run_id, held_at);

create function order_hold_is_what_was_said() returns trigger language plpgsql as $$
begin
    if (new.id, new.tenant_id, new.order_run_id, new.line_id, new.reason, new.held_by, new.held_at)
       is distinct from (old.id, old.tenant_id, old.order_run_id, old.line_id, old.reason, old.held_by, old.held_at)
       or old.released_at is not null then
        perform ledger_refuse('order_hold_is_what_was_said', 'a hold can only be released, and only once');
    end if;
    return new;
end $$;
create trigger order_hold_is_what_was_said before update on order_hold
    for each row execute function order_hold_is_what_was_said();
-- As LineFacts::state and OrderFacts::state (fallout-core/src/context.rs); a test compares them.
create function order_line_state(run text, cancelling boolean, attention text, begun boolean, parked boolean, unknown boolean,
        cancelled boolean, on_hold boolean) returns text language sql immutable as $$
    select case when on_hold and run in ('accepted', 'running') then 'held'
        else order_line_state(run, cancelling, attention, begun, parked, unknown, cancelled) end
$$;
create function order_own_state(run text, cancelling boolean, attention text, parked boolean, unknown boolean, lines_cancelled text,
        on_hold boolean) returns text language sql immutable as $$
    select case when on_hold and run in ('accepted', 'running') then 'held'
        else order_own_state(run, cancelling, attention, parked, unknown, lines_cancelled) end
$$;

-- The columns of 0018; held where it is.
create or replace view fallout_v1.order_items with (security_barrier) as
select o.external_id as order_id, i.line_id, i.parent_line_id, i.action, i.offering_id, i.offering_name, i.quantity, i.owner_state,
       order_line_state(r.state, r.cancel_requested, c.attention, s.begun, s.parked, s.unknown, s.cancelled,
           exists (select from order_hold h where h.order_run_id = r.id and h.line_id in ('', i.line_id) and h.released_at is null)) as state
from order_item i join product_order o on o.id = i.order_id
left join lateral (select * from order_run r where r.order_id = i.order_id order by r.run desc limit 1) r on true
left join lateral (
    select count(*) > 0 as begun, coalesce(bool_or(s.state = 'parked'), false) as parked,
           coalesce(bool_and(s.state = 'cancelled'), false) as cancelled,
           coalesce(bool_or(exists (select from attempt a where a.step_id = s.id and a.state = 'unknown')), false) as unknown
    from step s where s.order_run_id = r.id and s.line_id = i.line_id) s on true
left join lateral (
    select case when count(*) = 0 then 'none' when bool_and(c.status = 'waiting') then 'waits' else 'open' end as attention
    from fallout_case c join step s on s.id = c.step_id
    where c.related_order_id = i.order_id and s.line_id = i.line_id
      and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) c on true
where i.tenant_id = (select fallout_v1.tenant());

create or replace view fallout_v1.orders with (security_barrier) as
select o.external_id as order_id, x.customer_id, x.category, x.value_amount as value, x.value_unit as currency, x.promised_at,
       x.requested_at, x.priority, x.external_references, x.owner_state,
       order_own_state(r.state, r.cancel_requested, c.attention, s.parked, s.unknown,
           case when s.lines = 0 or s.lines_cancelled = 0 then 'none' when s.lines_cancelled < i.lines then 'some' else 'all' end,
           exists (select from order_hold h where h.order_run_id = r.id and h.line_id = '' and h.released_at is null)) as state,
       c.open_cases, r.run, o.created_at as taken_in_at, r.ended_at, x.as_of
from order_context x join product_order o on o.id = x.order_id
left join lateral (select * from order_run r where r.order_id = x.order_id order by r.run desc limit 1) r on true
left join lateral (select count(*) as lines from order_item i where i.order_id = x.order_id) i on true
left join lateral (
    select coalesce(bool_or(l.parked), false) as parked, coalesce(bool_or(l.unknown), false) as unknown,
           count(*) filter (where l.line_id <> '') as lines,
           count(*) filter (where l.line_id <> '' and l.cancelled) as lines_cancelled
    from (select s.line_id, bool_or(s.state = 'parked') as parked, bool_and(s.state = 'cancelled') as cancelled,
                 bool_or(exists (select from attempt a where a.step_id = s.id and a.state = 'unknown')) as unknown
          from step s where s.order_run_id = r.id group by s.line_id) l) s on true
left join lateral (
    select count(*) as open_cases,
           case when count(*) = 0 then 'none' when bool_and(c.status = 'waiting') then 'waits' else 'open' end as attention
    from fallout_case c where c.related_order_id = x.order_id
      and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) c on true
where x.tenant_id = (select fallout_v1.tenant());
